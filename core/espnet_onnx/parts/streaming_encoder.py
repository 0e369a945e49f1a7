"""Samples of one utterance to encoder output, while they come in.

Shapes: S samples, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from ..roles import EncoderStream, Frontend, StreamingEncoder, Transform
from ..types import Array
from .streaming_frontend import StreamingFrontend
from .streaming_settings import Streaming

__all__ = ["begin"]


def begin(
    encoder: Any, frontend: Frontend, normalize: Sequence[Transform], streaming: Streaming
) -> EncoderStream:
    """Let an encoder hear an utterance.

    Args:
        encoder: a `roles.StreamingEncoder` or a `roles.ChunkEncoder`.
        frontend: waveform to features.
        normalize: what stands between the two.
        streaming: of its options those of chunks are heeded.

    Raises:
        InputError: an option that the encoder does not have.
    """
    window, left = streaming.decoding_window, streaming.left_context
    if hasattr(encoder, "listen"):
        stream: EncoderStream = encoder.listen(frontend, normalize, window, left)
        return stream
    for name, value in (("decoding_window", window), ("left_context", left)):
        if value is not None:
            raise InputError(
                f"streaming option {name}={value} is for encoders that take chunks, and this "
                "model's takes blocks of its own size: leave it out"
            )
    return _FeatureStream(encoder, frontend, normalize)


class _FeatureStream:
    """Features as they come, to an encoder that waits for what it needs of them."""

    padding = 0

    def __init__(
        self, encoder: StreamingEncoder, frontend: Frontend, normalize: Sequence[Transform]
    ) -> None:
        self.hop = frontend.hop_length * encoder.hop
        self._frontend = StreamingFrontend(frontend, normalize)
        self._encoder, self._state = encoder, encoder.start()

    def push(self, samples: Array, *, last: bool) -> Array | None:
        """(S,) more samples -> (T, D); None while too few for a feature."""
        feats = self._frontend.push(samples, last=last)
        if feats is None:
            return None
        out, self._state = self._encoder.push(self._state, feats, last)
        encoded: Array = out[0]
        return encoded
