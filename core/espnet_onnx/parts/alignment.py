"""CTC forced alignment: when each token of a known sequence was said.

Shapes: T frames, U tokens, V vocabulary, L = 2U+1 states (blank, token 1, blank, token 2, ...).
Graves et al. 2006, section 4.1, with the best path in place of the sum over paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..types import Array

__all__ = ["Alignment", "align", "confidences", "seconds"]


class Alignment(NamedTuple):
    """Where the best CTC path emits each token.

    Attributes:
        starts: first frame of each token; None where there is no path.
        ends: the frame after its last, so that `ends[i] <= starts[i + 1]`.
        log_prob: log probability of the path, -inf where there is none.
    """

    starts: list[int | None]
    ends: list[int | None]
    log_prob: float


def align(log_probs: Array, ids: Sequence[int], blank: int = 0) -> Alignment:
    """Find the best CTC path that spells `ids`.

    There is no path where frames are fewer than tokens plus one blank between each two equal
    neighbours, where `ids` holds the blank, or where every path has probability zero; then all
    times are None.

    Args:
        log_probs: (T, V) log probabilities.
        ids: U token ids, without <sos/eos>.
        blank: id of the CTC blank.
    """
    labels = np.asarray(ids, dtype=np.int64)
    count = len(labels)
    needed = count + int(np.count_nonzero(labels[1:] == labels[:-1]))
    if len(log_probs) < max(needed, 1) or bool(np.any(labels == blank)):
        return _no_path(count)
    states = np.full(2 * count + 1, blank, dtype=np.int64)
    states[1::2] = labels
    moves, scores = _forward(np.asarray(log_probs)[:, states], states)
    last = 2 * count - 1 if count and scores[-2] >= scores[-1] else 2 * count
    if not np.isfinite(scores[last]):
        return _no_path(count)
    path = _backward(moves, last)
    # The path never goes back, so each state's frames are one stretch of it.
    tokens = np.arange(1, 2 * count + 1, 2)
    starts, ends = np.searchsorted(path, tokens, "left"), np.searchsorted(path, tokens, "right")
    return Alignment(starts.tolist(), ends.tolist(), float(scores[last]))


def confidences(log_probs: Array, ids: Sequence[int], alignment: Alignment) -> list[float | None]:
    """Probability of each token, geometric mean over its frames; None without a path.

    Args:
        log_probs: (T, V), as given to `align`.
        ids: U token ids, as given to `align`.
        alignment: what `align` returned for them.
    """
    return [
        None if start is None else float(np.exp(np.mean(log_probs[start:end, token])))
        for token, start, end in zip(ids, alignment.starts, alignment.ends, strict=True)
    ]


def seconds(
    alignment: Alignment, seconds_per_frame: float, duration: float
) -> list[tuple[float, float] | None]:
    """Start and end of each token in seconds, within [0, duration]; None without a path."""
    return [
        None
        if start is None or end is None
        else (min(start * seconds_per_frame, duration), min(end * seconds_per_frame, duration))
        for start, end in zip(alignment.starts, alignment.ends, strict=True)
    ]


def _no_path(count: int) -> Alignment:
    return Alignment([None] * count, [None] * count, float("-inf"))


def _forward(emissions: Array, states: Array) -> tuple[Array, Array]:
    """Viterbi over (T, L) emissions: moves (T, L), how many states each step came on, and the
    (L,) scores after the last frame."""
    frames, width = emissions.shape
    skips = np.zeros(width, dtype=bool)  # past a blank, but never between equal tokens
    skips[3::2] = states[3::2] != states[1:-2:2]
    moves = np.zeros((frames, width), dtype=np.uint8)
    scores = np.full(width, -np.inf)
    scores[:2] = emissions[0, :2]
    came = np.full((3, width), -np.inf)  # scores after staying, one step, two steps
    for t in range(1, frames):
        came[0] = scores
        came[1, 1:] = scores[:-1]
        came[2, 2:] = np.where(skips[2:], scores[:-2], -np.inf)
        moves[t] = came.argmax(axis=0)
        scores = came.max(axis=0) + emissions[t]
    return moves, scores


def _backward(moves: Array, state: int) -> Array:
    """State at every frame, (T,), of the path that ends in `state`."""
    path = np.empty(len(moves), dtype=np.int64)
    for t in range(len(moves) - 1, -1, -1):
        path[t] = state
        state -= int(moves[t, state])
    return path
