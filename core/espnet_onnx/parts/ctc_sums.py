"""Sums over the paths of CTC, in the log domain.

Shapes: H hypotheses, C candidates a hypothesis, W frames, U distinct candidates.
"""

from __future__ import annotations

import numpy as np

from ..types import Array

__all__ = ["FLOOR", "find", "log_matmul", "log_sum", "put"]

# A clip far below any log-softmax, so that a masked token (-inf) cannot turn sums into nan.
FLOOR = -1e5
# Sums of products below these, by width of a number, are taken again in the log domain.
_SMALLEST = {4: 1e-28, 8: 1e-250}


def log_sum(terms: Array) -> Array:
    """Log-sum-exp over the last axis; -inf where every term is."""
    highest = terms.max(axis=-1, initial=-np.inf)
    scale = np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):
        sums: Array = np.log(np.exp(terms - scale[..., None]).sum(axis=-1)) + scale
    return sums


def log_matmul(log_a: Array, b: Array, log_b: Array) -> Array:
    """log(exp(log_a) @ b) for log_a (H, W) and b = exp(log_b) (W, U), as exact as log-sum-exp.

    Products fall below the number range where a token is next to impossible in every frame; sums
    so small that this begins to matter are taken again in the log domain.
    """
    highest = log_a.max(axis=1, initial=-np.inf)
    alive = highest > -np.inf
    scale = np.where(alive, highest, 0.0)
    sums = np.exp(log_a - scale[:, None]).astype(b.dtype) @ b
    with np.errstate(divide="ignore"):
        result: Array = np.log(sums).astype(np.float64) + scale[:, None]
    small = sums < _SMALLEST[b.dtype.itemsize]
    for row in np.flatnonzero(small.any(axis=1) & alive):
        lost = np.flatnonzero(small[row])
        result[row, lost] = log_sum(log_a[row] + log_b[:, lost].T)
    return result


def find(ids: Array | None, tokens: Array) -> tuple[Array, Array]:
    """Rows and columns at which candidates (H, C), None for all, equal each row's token (H,)."""
    if ids is None:
        return np.arange(len(tokens)), tokens
    rows, columns = np.nonzero(ids == tokens[:, None])
    return rows, columns


def put(scores: Array, ids: Array | None, token: int, values: Array) -> None:
    """Write one value a row (H,) into scores (H, C) wherever `token` is a candidate."""
    rows, columns = find(ids, np.full(len(scores), token))
    scores[rows, columns] = values[rows]
