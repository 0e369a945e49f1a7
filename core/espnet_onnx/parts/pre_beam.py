"""Which next tokens a beam search looks at, and which it takes.

Shapes: V tokens of the vocabulary, C candidates a hypothesis, K the best; axes in front are free.
"""

from __future__ import annotations

import numpy as np

from ..types import Array

__all__ = ["pre_beam", "pre_beam_size", "top"]

_PRE_BEAM = 1.5  # candidates that CTC scores, in beam sizes


def pre_beam_size(beam_size: int, vocab_size: int) -> int | None:
    """How many tokens CTC scores behind a hypothesis; None where that would be all."""
    size = int(_PRE_BEAM * beam_size)
    return size if size < vocab_size else None


def pre_beam(scores: Array, size: int, *, eos: int, blank: int) -> Array:
    """The best `size` of (..., V) and <eos>, which CTC always scores: (..., C)."""
    ids = np.argpartition(scores, -size, axis=-1)[..., -size:]
    end = np.full((*ids.shape[:-1], 1), eos)
    # where <eos> is among the best already, blank, never chosen, takes its place
    return np.concatenate((np.where(ids == eos, blank, ids), end), axis=-1)


def top(values: Array, count: int) -> Array:
    """Indices (..., K) of the largest of the last axis, largest first (`torch.topk`)."""
    count = min(count, values.shape[-1])
    best = np.argpartition(values, -count, axis=-1)[..., -count:]
    order = np.argsort(-np.take_along_axis(values, best, axis=-1), axis=-1, kind="stable")
    return np.take_along_axis(best, order, axis=-1)
