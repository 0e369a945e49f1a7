"""Frames to waveform piece by piece, as a listener hears it.

Shapes: T frames, D width.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from ..roles import Noise, Vocoder
from ..types import Array
from .noise import Excerpts

__all__ = ["stretches"]

# Twice the context is computed again for every part. So parts grow: the first is soon heard, and
# while one sounds, the next is made, at a real-time factor of up to 0.3.
_FIRST = 0.5
_LARGEST = 4


def stretches(
    vocoder: Vocoder,
    feats: Array,
    conditions: Mapping[str, Array],
    noise: Noise,
    frames: int,
) -> Iterator[Array]:
    """Parts of one waveform, as soon as each is known; together they are the whole.

    Every part is computed from its frames and the vocoder's `context` around them. One that hears
    whole utterances gives a single part.

    Args:
        vocoder: what makes the wave.
        feats: (1, T, D) of one utterance, none of them padding.
        conditions: see `roles.Vocoder`.
        noise: of the whole.
        frames: about as many make a part, at least 1: the first has half of them, every further
            one twice as many as the one before it, up to four times as many.
    """
    total = feats.shape[1]
    context, hop = vocoder.context, vocoder.hop
    sizes = _sizes(frames) if context is not None else itertools.repeat(total)
    context = context or 0
    excerpts = Excerpts(noise, total)
    end = 0
    while end < total:
        begin, end = end, min(end + next(sizes), total)
        first, last = max(0, begin - context), min(total, end + context)
        part = feats[:, first:last]
        lengths = np.array([last - first], np.int64)
        wave = vocoder(part, lengths, conditions, excerpts.between(first, last))[0]
        yield wave[(begin - first) * hop : (end - first) * hop]


def _sizes(frames: int) -> Iterator[int]:
    size = max(1, round(_FIRST * frames))
    while True:
        yield size
        size = min(2 * size, _LARGEST * frames)
