"""ESPnet's default beam search: in every frame the best hypothesis is expanded first.

Shapes: N pairs, V tokens.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from espnet_onnx.types import Array

from .lattice import Lattice
from .paths import Path
from .scores import Ask, Search

__all__ = ["best_first"]

# (V,) log probabilities of a pair, and the best token but the blank.
Row: TypeAlias = "tuple[Array, int]"


def best_first(lattice: Lattice, kept: list[Path]) -> Search[list[Path]]:
    """`BeamSearchTransducer.default_beam_search` (Graves 2012, algorithm 1).

    What is asked for together are the hypotheses that may be expanded in this frame, not only the
    one that is next: the networks cost nearly the same for several.
    """
    known: dict[int, dict[int, Row]] = {}
    read: set[int] = set()
    for frame in lattice.frames:
        waiting = _Waiting(lattice, kept)
        kept = []
        rows = known.setdefault(frame, {})
        while True:
            best, source = waiting.pop()
            if source is not None:
                path, row = source
                for said in lattice.expanded(path, row, frame)[1:]:
                    waiting.push(said)
            if best.prefix not in rows:
                asked = _likely(lattice, best, waiting, kept, rows)
                yield from _ask(lattice, frame, asked, known, read)
            row, k = rows[best.prefix]
            kept.append(lattice.silent(best, row))
            if lattice.fusion is None:
                # The others are made once this one is the best of all, which it seldom is.
                said = lattice.extended(best, k, best.score + float(row[k]), frame)
                waiting.push(said, (best, row))
            else:
                for said in lattice.expanded(best, row, frame):
                    waiting.push(said)
            if len(kept) < (wanted := min(lattice.beam, len(row))):
                continue
            limit = waiting.best.score
            done = [path for path in kept if path.score > limit]
            if len(done) >= wanted:
                kept = sorted(done, key=lambda path: path.score)
                break
        del known[frame]
    return kept


class _Waiting:
    """Paths, the best first and of equals the earliest.

    A path may come with what it was expanded from, whose other tokens are no better than it.
    """

    def __init__(self, lattice: Lattice, paths: list[Path]) -> None:
        self._rank, self._count = lattice.during, 0
        self._heap: list[tuple[float, int, Path, tuple[Path, Array] | None]] = []
        for path in paths:
            self.push(path)

    def __iter__(self) -> Iterator[Path]:
        return (path for _, _, path, _ in sorted(self._heap))

    @property
    def best(self) -> Path:
        return self._heap[0][2]

    def push(self, path: Path, source: tuple[Path, Array] | None = None) -> None:
        heapq.heappush(self._heap, (-self._rank(path), self._count, path, source))
        self._count += 1

    def pop(self) -> tuple[Path, tuple[Path, Array] | None]:
        return heapq.heappop(self._heap)[2:]


def _ask(
    lattice: Lattice,
    frame: int,
    asked: list[int],
    known: dict[int, dict[int, Row]],
    read: set[int],
) -> Search[None]:
    """Complete what is known of prefixes in this frame and, of those that were read, in others.

    Most of what is alive says nothing, and is asked for in the next frames, too.
    """
    more = lattice.pairs // len(asked) if read.issuperset(asked) else 1
    frames = range(frame, min(frame + max(more, 1), lattice.frames.stop))
    read.update(asked)
    found = yield Ask([t for t in frames for _ in asked], asked * len(frames))
    tokens = (found[:, 1:].argmax(-1) + 1).tolist()
    pairs = zip(found, tokens, strict=True)
    for t in frames:
        known.setdefault(t, {}).update((prefix, next(pairs)) for prefix in asked)


def _likely(
    lattice: Lattice,
    best: Path,
    waiting: _Waiting,
    kept: list[Path],
    rows: dict[int, Row],
) -> list[int]:
    """Prefixes worth asking for with the best: what may be expanded before the frame is over."""
    scores = sorted((path.score for path in kept), reverse=True)
    limit = scores[lattice.beam - 1] if len(scores) >= lattice.beam else -np.inf
    asked = {best.prefix: None}
    for path in waiting:
        if len(asked) == lattice.beam or path.score <= limit:
            break
        if path.prefix not in rows:
            asked[path.prefix] = None
    return list(asked)
