"""Batches of ragged utterances.

Shapes: B utterances, S samples of the longest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from ..errors import InputError
from ..types import Array

__all__ = ["buckets", "in_order", "pad"]

T = TypeVar("T")

# A batch costs as if all its utterances were as long as the longest, so none may be shorter than
# this share of it.
_SHORTEST_SHARE = 0.5


def pad(arrays: Sequence[Array]) -> tuple[Array, Array]:
    """Stack 1-D arrays, zeros behind the shorter ones: (B, S) float32 and (B,) int64 lengths."""
    lengths = np.array([len(array) for array in arrays], dtype=np.int64)
    batch = np.zeros((len(arrays), int(lengths.max(initial=0))), dtype=np.float32)
    for row, array in zip(batch, arrays, strict=True):
        row[: len(array)] = array
    return batch, lengths


def buckets(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Group utterances of like length, longest first.

    Returns:
        Lists of at most `batch_size` indexes into `lengths`; every index occurs once, and within
        a list the shortest is at least half as long as the longest.

    Raises:
        InputError: `batch_size` is below 1.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}: give 1 or more")
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        group = groups[-1] if groups else []
        if (
            group
            and len(group) < batch_size
            and lengths[index] >= _SHORTEST_SHARE * lengths[group[0]]
        ):
            group.append(index)
        else:
            groups.append([index])
    return groups


def in_order(groups: Iterable[Sequence[int]], results: Iterable[Sequence[T]]) -> list[T]:
    """Undo `buckets`: results by group -> results in the order of the utterances."""
    pairs = [
        pair
        for group, values in zip(groups, results, strict=True)
        for pair in zip(group, values, strict=True)
    ]
    return [value for _, value in sorted(pairs, key=lambda pair: pair[0])]
