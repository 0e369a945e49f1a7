"""A value for each token of a text, as somebody else's array or list holds them.

Shapes: U tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from ..types import Array

__all__ = ["token_durations", "token_ids"]

_MOST_FRAMES = 1 << 20  # some three hours


def token_ids(given: Any) -> list[int]:
    """Ids (U,).

    Raises:
        InputError: these are no whole numbers.
    """
    array = _whole(given)
    if array is None:
        raise InputError("what to speak is neither a text nor its token ids: give one of them")
    ids: list[int] = array.tolist()
    return ids


def token_durations(given: Any, count: int) -> Array:
    """Frames of each token, (1, U) int64.

    Args:
        given: (U,) whole numbers of at least 0.
        count: U.

    Raises:
        InputError: these are not so many frames.
    """
    array = _whole(given)
    if array is None or array.shape != (count,) or (array < 0).any():
        raise InputError(
            f"durations are not the frames of {count} tokens: give whole numbers of at least 0, as"
            " many as the answer's own durations"
        )
    if not 0 < array.sum() <= _MOST_FRAMES:
        raise InputError(f"durations add up to {array.sum()} frames: give 1 to {_MOST_FRAMES}")
    return array[None]


def _whole(given: Any) -> Array | None:
    """(U,) int64; None for anything else."""
    try:
        array = np.asarray(given)
    except (TypeError, ValueError):
        return None
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        return None
    return array.astype(np.int64)
