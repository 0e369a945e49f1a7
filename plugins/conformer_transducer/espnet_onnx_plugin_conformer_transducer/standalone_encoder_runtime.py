"""Runs the encoder of the standalone task: a whole batch, or a stream in chunks.

Shapes: B utterances, T frames, F features, D width, L frames of left context.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import espnet_onnx as eo
from espnet_onnx.errors import AudioError, InputError
from espnet_onnx.roles import Encoded, Frontend, Session, Transform
from espnet_onnx.types import Array

from .chunks import ChunkStream

__all__ = ["StandaloneEncoder", "build"]

_PAST = "past_"


class StandaloneEncoder:
    """See `roles.Encoder` and `roles.ChunkEncoder`.

    Attributes:
        shortest: fewest input frames.
        factor: input frames that become one.
    """

    def __init__(self, subsample: Session, blocks: Session, shortest: int, factor: int) -> None:
        self._subsample, self._blocks = subsample, blocks
        self.shortest, self.factor = shortest, factor
        self._past = [name for name in blocks.inputs if name.startswith(_PAST)]

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        """(B, T, F) and (B,) -> Encoded.

        Raises:
            AudioError: an utterance has fewer frames than `shortest`.
        """
        if lengths.min() < self.shortest:
            raise AudioError(
                f"the input has {int(lengths.min())} frames and the encoder needs "
                f"{self.shortest}: give a longer recording"
            )
        frames, frames_lengths = self._subsample(feats=feats, feats_lengths=lengths)
        out, out_lengths, _ = self.blocks(frames, frames_lengths, 0, self.start(0, len(frames)))
        return Encoded(out, out_lengths)

    def listen(
        self,
        frontend: Frontend,
        normalize: Sequence[Transform],
        decoding_window: int | None,
        left_context: int | None,
    ) -> ChunkStream:
        """Begin a stream; see `roles.ChunkEncoder`.

        Raises:
            InputError: the model's blocks cannot go on with a stream, or the window is too short.
        """
        if not self._past:
            raise InputError(
                "a conv1d block of this model shortens its input, and ESPnet streams no such "
                "encoder: recognise whole recordings"
            )
        window = 640 if decoding_window is None else decoding_window
        left = 32 if left_context is None else left_context
        return ChunkStream(self, frontend, normalize, window=window, left_context=left)

    def start(self, left_context: int, utterances: int = 1) -> tuple[Array, ...]:
        """`Encoder.reset_cache`: zeros."""
        shapes = [self._blocks.inputs[name][1:] for name in self._past]
        sizes = [[s if isinstance(s, int) else left_context for s in shape] for shape in shapes]
        return tuple(np.zeros((utterances, *size), np.float32) for size in sizes)

    def subsample(self, feats: Array) -> Array:
        """(B, T, F) -> (B, T', D)."""
        return self._subsample(feats=feats, feats_lengths=_full(feats))[0]

    def blocks(
        self, frames: Array, lengths: Array, seen: int, states: Sequence[Array]
    ) -> tuple[Array, Array, tuple[Array, ...]]:
        """What the blocks make of (B, T, D) and (B,) behind `seen` frames, and new states."""
        past = dict(zip(self._past, states, strict=True))
        if "seen" in self._blocks.inputs:
            past["seen"] = np.full(len(frames), seen, np.int64)
        out, out_lengths, *new = self._blocks(frames=frames, frames_lengths=lengths, **past)
        return out, out_lengths, tuple(new)


def _full(x: Array) -> Array:
    """Lengths of a batch without padding."""
    return np.full(len(x), x.shape[1], np.int64)


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> StandaloneEncoder:
    """The encoder of a node."""
    subsample, blocks = open_session("subsample"), open_session("blocks")
    return StandaloneEncoder(subsample, blocks, node.config["shortest"], node.config["factor"])
