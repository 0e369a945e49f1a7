"""A recording that comes in, encoded in chunks of fixed length.

Shapes: S samples, T frames, F features, D width.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from espnet_onnx.errors import InputError
from espnet_onnx.parts.streaming_frontend import features
from espnet_onnx.roles import Frontend, Transform
from espnet_onnx.types import Array

__all__ = ["ChunkBlocks", "ChunkStream"]

# `OnlineAudioProcessor` counts milliseconds at 16 kHz whatever the model's sample rate is.
_SAMPLES_PER_MS = 16


class ChunkBlocks(Protocol):
    """The encoder that a stream of chunks drives."""

    shortest: int
    factor: int

    def start(self, left_context: int) -> tuple[Array, ...]:
        """States before the first chunk."""

    def subsample(self, feats: Array) -> Array:
        """(B, T, F) -> (B, T', D)."""

    def blocks(
        self, frames: Array, lengths: Array, seen: int, states: Sequence[Array]
    ) -> tuple[Array, Array, tuple[Array, ...]]:
        """Encoder output of (B, T, D) behind `seen` frames, its lengths, and new states."""


class ChunkStream:
    """`OnlineAudioProcessor` (espnet2/asr_transducer/frontend/online_audio_processor.py) and
    `Encoder.chunk_forward` behind it; chunks are cut as the task's inference cuts them.

    A chunk sees `left_context` encoder frames before it, and features that reach a little beyond
    it; its first and last frames, which see the cut, are dropped. A normalisation over whole
    utterances sees a chunk as one, in ESPnet as here. Samples that come in parts wait for a chunk.

    Attributes:
        hop: samples of a chunk.
        padding: samples of silence that the last chunk was filled up with.

    Raises:
        InputError: the window is too short for an encoder frame.
    """

    def __init__(
        self,
        encoder: ChunkBlocks,
        frontend: Frontend,
        normalize: Sequence[Transform],
        *,
        window: int,
        left_context: int,
    ) -> None:
        self._encoder, self._frontend, self._normalize = encoder, frontend, normalize
        # `shortest` is half a transform and one more.
        transform, self._step = 2 * (frontend.shortest - 1), frontend.hop_length
        self._overlap = transform - self._step
        self._trim = math.ceil(transform / self._step) // 2
        self.hop, self.padding = window * _SAMPLES_PER_MS, 0
        self._check(window)
        self._states, self._seen = encoder.start(left_context), 0
        self._waiting = np.zeros(0, np.float32)
        self._before = np.zeros(0, np.float32)
        self._feats: Array | None = None

    def push(self, samples: Array, *, last: bool) -> Array | None:
        """(S,) more samples -> (T, D) of the chunks that they complete; None where they do not."""
        waiting = np.concatenate((self._waiting, samples.astype(np.float32)))
        count = len(waiting) // self.hop
        chunks = [waiting[i * self.hop : (i + 1) * self.hop] for i in range(count)]
        found = [self._encode(self._features(chunk, last=False)) for chunk in chunks]
        self._waiting = waiting[count * self.hop :]
        if last:
            found.append(self._encode(self._features(self._waiting, last=True)))
        return np.concatenate(found) if found else None

    def _encode(self, feats: Array) -> Array:
        frames = self._encoder.subsample(feats)[:, 1:-1]
        lengths = np.array([frames.shape[1]])
        out, _, self._states = self._encoder.blocks(frames, lengths, self._seen, self._states)
        self._seen += out.shape[1]
        encoded: Array = out[0]
        return encoded

    def _features(self, chunk: Array, *, last: bool) -> Array:
        """(1, T, F): those of the chunk, and the last ones before it, that convolutions need."""
        samples = np.concatenate((self._before, chunk))
        if last:
            self.padding = max(0, self.hop - len(samples))
            samples = np.pad(samples, (0, self.padding))
        else:
            frames, rest = divmod(len(samples) - self._overlap, self._step)
            self._before = samples[len(samples) - self._overlap - rest :]
            samples = samples[: self._overlap + frames * self._step]
        feats = features(self._frontend, self._normalize, samples)
        end = feats.shape[1] - self._trim
        if self._feats is None:
            feats = feats[:, :end]
        else:
            feats = feats[:, self._trim : None if last else end]
            feats = np.concatenate((self._feats, feats), axis=1)
        self._feats = feats[:, -(2 * self._encoder.factor + 3) :]
        return feats

    def _check(self, window: int) -> None:
        """A first chunk has the fewest features; two of the frames made of them are dropped."""
        wanted = self._encoder.shortest + 2 * self._encoder.factor
        least = next(ms for ms in itertools.count(1) if self._first(ms) >= wanted)
        if window < least:
            raise InputError(
                f"streaming option decoding_window={window} leaves this encoder no frame: give at "
                f"least {least}"
            )

    def _first(self, window: int) -> int:
        """Features that the encoder sees of a first chunk."""
        used = (window * _SAMPLES_PER_MS - self._overlap) // self._step * self._step
        return (self._overlap + used) // self._step + 1 - self._trim
