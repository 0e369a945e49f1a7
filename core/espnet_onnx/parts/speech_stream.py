"""Frames to waveform piece by piece, as a listener hears it.

Shapes: T frames, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..roles import Noise, Vocoder
from ..types import Array
from .noise import Excerpts

__all__ = ["stretches"]


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
        frames: of a part, at least 1.
    """
    total = feats.shape[1]
    context, hop = vocoder.context, vocoder.hop
    if context is None:
        frames, context = total, 0
    excerpts = Excerpts(noise, total)
    for begin in range(0, total, frames):
        end = min(begin + frames, total)
        first, last = max(0, begin - context), min(total, end + context)
        part = feats[:, first:last]
        lengths = np.array([last - first], np.int64)
        wave = vocoder(part, lengths, conditions, excerpts.between(first, last))[0]
        yield wave[(begin - first) * hop : (end - first) * hop]
