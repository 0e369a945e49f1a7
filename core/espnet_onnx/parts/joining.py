"""The results of a long recording's pieces become segments, joined where pieces overlap.

Shapes: S samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import attrs

from .pieces import Piece
from .result import Recognition, Segment, Span, Token, Word
from .seams import Unit, seam
from .tokenizer import Tokenizer

__all__ = ["Joiner"]

T = TypeVar("T", bound=Span)


@attrs.define
class _Heard:
    """A piece's result; the seams narrow what of it counts.

    Attributes:
        start: seconds, where the piece begins.
        end: seconds, where it ends.
        first: its first unit that counts.
        last: the unit after its last that counts.
        since: seconds, where what counts begins.
    """

    start: float
    end: float
    result: Recognition
    units: list[Unit]
    first: int
    last: int
    since: float


class Joiner:
    """Takes the pieces of a recording in order, and gives each back when the next is known.

    Args:
        tokenizer: of the model; tells which tokens make a word.
        sample_rate: of the pieces, in Hz.
    """

    def __init__(self, tokenizer: Tokenizer, sample_rate: int) -> None:
        self._tokenizer, self._rate = tokenizer, sample_rate
        self._waiting: _Heard | None = None
        self._said = 0.0  # seconds, where the last word ended

    def add(self, piece: Piece, result: Recognition) -> list[Segment]:
        """Take the next piece's result; the segment before it, if it has text."""
        heard = self._heard(piece, result)
        before, self._waiting = self._waiting, heard
        if before is None:
            return []
        until = before.end
        if before.end > heard.start:
            until = self._join(before, heard)
        return self._segment(before, until)

    def finish(self) -> list[Segment]:
        """The last segment, if it has text."""
        last, self._waiting = self._waiting, None
        return self._segment(last, last.end) if last else []

    def _heard(self, piece: Piece, result: Recognition) -> _Heard:
        start = piece.start / self._rate
        moved = attrs.evolve(
            result,
            token_times=_moved(result.token_times, start),
            words=_moved(result.words, start),
        )
        units = self._units(moved)
        end = piece.end / self._rate
        return _Heard(start, end, moved, units, 0, len(units), start)

    def _units(self, result: Recognition) -> list[Unit]:
        """Its words; its tokens where the model has no text."""
        groups = self._tokenizer.words(result.tokens)
        if result.text is None:
            groups = [[i] for i in range(len(result.tokens))]
        times = result.token_times or (Token(""),) * len(result.tokens)
        return [
            Unit(
                "".join(result.tokens[i] for i in group),
                group[0],
                group[-1] + 1,
                times[group[0]].start,
                times[group[-1]].end,
            )
            for group in groups
        ]

    @staticmethod
    def _join(before: _Heard, after: _Heard) -> float:
        """Where one ends and the other begins, in seconds."""
        shared = before.end - after.start
        reach = [
            math.ceil(1.25 * len(h.units) * shared / (h.end - h.start)) + 1 for h in (before, after)
        ]
        found = seam(
            before.units[before.first :], after.units, after.start, before.end, (reach[0], reach[1])
        )
        before.last = before.first + found.keep
        after.first, after.since = found.skip, found.time
        return found.time

    def _segment(self, heard: _Heard, until: float) -> list[Segment]:
        result = heard.result
        if (heard.first, heard.last) != (0, len(heard.units)):
            result = self._part(result, heard.units[heard.first : heard.last], heard)
        if not result.tokens:
            return []
        words = _after(result.words, self._said)
        self._said = max([self._said, *(word.end or 0.0 for word in words)])
        known = {a.name: getattr(result, a.name) for a in attrs.fields(Recognition)}
        known |= {"duration": until - heard.since, "words": words}
        return [Segment(**known, start=heard.since, end=until)]

    def _part(self, result: Recognition, units: Sequence[Unit], heard: _Heard) -> Recognition:
        """What the units say; the score stays that of the whole piece."""
        first, last = (units[0].first, units[-1].last) if units else (0, 0)
        tokens = result.tokens[first:last]
        text = self._tokenizer.tokens2text(tokens)
        return attrs.evolve(
            result,
            text=None if text is None else text.strip(),
            tokens=tokens,
            ids=result.ids[first:last],
            token_times=result.token_times[first:last],
            words=result.words[heard.first : heard.last],
            nbest=(),
            intermediate={},
        )


def _moved(spans: Sequence[T], by: float) -> tuple[T, ...]:
    return tuple(
        span
        if span.start is None or span.end is None
        else attrs.evolve(span, start=span.start + by, end=span.end + by)
        for span in spans
    )


def _after(words: Sequence[Word], time: float) -> tuple[Word, ...]:
    """Words whose times do not begin before what was said already."""
    return tuple(
        word
        if word.start is None or word.end is None
        else attrs.evolve(word, start=max(word.start, time), end=max(word.end, time))
        for word in words
    )
