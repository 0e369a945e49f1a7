"""Pieces of a long recording, and the fixed windows that make the simplest ones.

Shapes: S samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import attrs
import numpy as np

from ..types import Array

__all__ = ["Cutter", "Piece", "Tape", "Windows"]


@attrs.frozen
class Piece:
    """A stretch of a recording that is recognised at once.

    Attributes:
        start: its first sample in the recording; below the end of the piece before it where the
            two overlap.
        samples: (S,) float32.
    """

    start: int
    samples: Array = attrs.field(eq=attrs.cmp_using(eq=np.array_equal), repr=False)

    @property
    def end(self) -> int:
        """The sample after its last."""
        return self.start + len(self.samples)


class Cutter(Protocol):
    """Cuts a recording into pieces while it is being read."""

    def push(self, block: Array) -> Iterator[Piece]:
        """Take the next (S,) samples; pieces that are now complete, in order."""

    def finish(self) -> Iterator[Piece]:
        """The pieces that ended with the recording."""


class Tape:
    """The latest samples of a recording, addressed by their place in it."""

    def __init__(self) -> None:
        self.start = 0
        self._samples = np.zeros(0, np.float32)

    @property
    def end(self) -> int:
        """How many samples were recorded in all."""
        return self.start + len(self._samples)

    def append(self, block: Array) -> None:
        """Record (S,) samples."""
        self._samples = np.concatenate([self._samples, block])

    def piece(self, start: int, end: int) -> Piece:
        """Samples from `start` up to `end`, which must still be there."""
        return Piece(start, self._samples[start - self.start : end - self.start].copy())

    def forget(self, before: int) -> None:
        """Drop samples that nobody needs again."""
        self._samples = self._samples[max(0, before - self.start) :]
        self.start = max(self.start, before)


class Windows:
    """Windows of one length, each beginning before the last one ends.

    The last window is moved back until it is as long as the others, so it overlaps more.

    Args:
        length: samples of a window; None is the whole recording.
        overlap: samples that neighbours share, at most half of `length`.
    """

    def __init__(self, length: int | None, overlap: int = 0) -> None:
        self._length, self._overlap = length, overlap
        self._tape = Tape()
        self._next = self._covered = 0

    def push(self, block: Array) -> Iterator[Piece]:
        """See `Cutter`."""
        self._tape.append(block)
        if self._length is None:
            return
        while self._tape.end >= self._next + self._length:
            self._covered = self._next + self._length
            yield self._tape.piece(self._next, self._covered)
            self._tape.forget(self._next)
            self._next = self._covered - self._overlap

    def finish(self) -> Iterator[Piece]:
        """See `Cutter`."""
        end = self._tape.end
        if end > self._covered:
            yield self._tape.piece(max(0, end - (self._length or end)), end)
