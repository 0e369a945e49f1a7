"""Where two overlapping pieces are joined, so that no word is lost and none doubled.

Shapes: L units of the left piece, R of the right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import attrs
import numpy as np

from ..types import Array

__all__ = ["Seam", "Unit", "seam"]

# A word is heard at nearly the same time in both pieces; two equal words are further apart.
_APART = 0.3  # seconds
# What is heard in only one piece, and is nearer than this, is another hearing of the same.
_NEAR = 0.1  # seconds
# Scores of aligned units without times.
_SAME, _OTHER, _SKIP = 2.0, -1.0, -1.0


@attrs.frozen
class Unit:
    """A word, or a token where there are no words.

    Attributes:
        text: what it says.
        first: its first token in the piece's tokens.
        last: the token after its last.
        start: seconds in the recording, None where unknown.
        end: seconds.
    """

    text: str
    first: int
    last: int
    start: float | None = None
    end: float | None = None

    @property
    def centre(self) -> float:
        """The middle of its time; NaN where unknown."""
        known = self.start is not None and self.end is not None
        return (self.start + self.end) / 2 if known else math.nan  # type: ignore[operator]


@attrs.frozen
class Seam:
    """How two pieces are joined.

    Attributes:
        keep: how many units of the left piece stay.
        skip: how many of the right one are left out.
        time: seconds, where one ends and the other begins.
    """

    keep: int
    skip: int
    time: float


def seam(
    left: Sequence[Unit],
    right: Sequence[Unit],
    start: float,
    end: float,
    reach: tuple[int, int] = (50, 50),
) -> Seam:
    """Join two pieces that share the time from `start` to `end`.

    What both heard is found by its text and time, and the left piece goes over to the right one
    behind that word which is nearest to the middle: towards its end a piece knows too little of
    what follows, towards its beginning of what came before. Where they agree on nothing, they are
    cut between words. Without times the longest common stretch of text decides.

    Args:
        left: units of the left piece; those before an earlier seam are left out.
        right: units of the right piece.
        start: seconds, where the right piece begins.
        end: seconds, where the left piece ends.
        reach: how many units of each may lie in the overlap; read only without times.
    """
    middle = (start + end) / 2
    if not left or not right:
        return Seam(len(left), 0, middle)
    if all(math.isfinite(unit.centre) for unit in (*left, *right)):
        return _by_time(left, right, start, end)
    first = max(0, len(left) - reach[0])
    keep, skip = _by_text(left[first:], right[: reach[1]])
    return Seam(first + keep, skip, middle)


def _by_time(left: Sequence[Unit], right: Sequence[Unit], start: float, end: float) -> Seam:
    first = sum(unit.centre < start - _APART for unit in left)
    last = sum(unit.centre <= end + _APART for unit in right)
    middle = (start + end) / 2

    def alike(a: Unit, b: Unit) -> float:
        apart = abs(a.centre - b.centre)
        return 2.0 - apart / _APART if a.text == b.text and apart <= _APART else -math.inf

    pairs = _matches(left[first:], right[:last], alike)
    if not pairs:
        return _between(left, right, start, end)
    a, b = min(pairs, key=lambda pair: abs(left[first + pair[0]].centre - middle))
    return Seam(first + a + 1, b + 1, max(left[first + a].end or middle, right[b].end or middle))


def _between(left: Sequence[Unit], right: Sequence[Unit], start: float, end: float) -> Seam:
    """Cut at the time nearest to the middle that is within no word."""
    middle = (start + end) / 2
    spans = sorted((u.start or 0.0, u.end or 0.0) for u in (*left, *right))
    stops = [start, *(t for a, b in spans for t in (a - _NEAR / 2, b + _NEAR / 2)), end, middle]
    free = [t for t in stops if start <= t <= end and not _within(t, spans)]
    time = min(free, key=lambda t: abs(t - middle), default=middle)
    return Seam(
        sum(unit.centre < time for unit in left), sum(unit.centre < time for unit in right), time
    )


def _within(time: float, spans: Sequence[tuple[float, float]]) -> bool:
    return any(a - _NEAR / 2 < time < b + _NEAR / 2 for a, b in spans)


def _matches(
    left: Sequence[Unit], right: Sequence[Unit], alike: Callable[[Unit, Unit], float]
) -> list[tuple[int, int]]:
    """The pairs, in order on both sides, that are most alike in all."""
    best = np.zeros((len(left) + 1, len(right) + 1))
    for i, j in itertools.product(range(len(left)), range(len(right))):
        pair = best[i, j] + alike(left[i], right[j])
        best[i + 1, j + 1] = max(pair, best[i, j + 1], best[i + 1, j])
    pairs, i, j = [], len(left), len(right)
    while i and j:
        if best[i, j] == best[i - 1, j]:
            i -= 1
        elif best[i, j] == best[i, j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _by_text(left: Sequence[Unit], right: Sequence[Unit]) -> tuple[int, int]:
    """The end of the left text laid over the beginning of the right one, with the most in common;
    the seam is behind the middle pair."""
    scores = np.zeros((len(left) + 1, len(right) + 1))
    scores[0] = _SKIP * np.arange(len(right) + 1)
    for i, j in itertools.product(range(len(left)), range(len(right))):
        scores[i + 1, j + 1] = max(_steps(scores, left, right, i + 1, j + 1))
    end = int(scores[-1].argmax())
    pairs = _path(scores, left, right, end)
    if scores[-1, end] <= 0 or not pairs:
        return len(left), 0
    a, b = pairs[len(pairs) // 2]
    return a + 1, b + 1


def _steps(
    scores: Array, left: Sequence[Unit], right: Sequence[Unit], i: int, j: int
) -> tuple[float, float, float]:
    """Scores of reaching (i, j) by a pair, by a unit of the left alone, of the right alone."""
    same = left[i - 1].text == right[j - 1].text
    pair = float(scores[i - 1, j - 1]) + (_SAME if same else _OTHER)
    return pair, float(scores[i - 1, j]) + _SKIP, float(scores[i, j - 1]) + _SKIP


def _path(
    scores: Array, left: Sequence[Unit], right: Sequence[Unit], end: int
) -> list[tuple[int, int]]:
    """Equal pairs of the best alignment that takes all of the left's end and `end` of the right."""
    pairs, i, j = [], len(left), end
    while i and j:
        move = int(np.argmax(_steps(scores, left, right, i, j)))
        if move == 0 and left[i - 1].text == right[j - 1].text:
            pairs.append((i - 1, j - 1))
        i, j = i - (move != 2), j - (move != 1)
    return pairs[::-1]
