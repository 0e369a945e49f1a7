"""ESPnet's default beam search: in every frame the best hypothesis is expanded first.

Shapes: N pairs, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from espnet_onnx.types import Array

from .lattice import Lattice
from .paths import Path, ranked
from .scores import Ask, Search

__all__ = ["best_first"]


def best_first(lattice: Lattice, kept: list[Path]) -> Search[list[Path]]:
    """`BeamSearchTransducer.default_beam_search` (Graves 2012, algorithm 1).

    What is asked for together are the hypotheses that may be expanded in this frame, not only the
    one that is next: the networks cost nearly the same for several.
    """
    for frame in lattice.frames:
        waiting, kept = kept, []
        rows: dict[int, Array] = {}
        # Path -> what it was expanded from, whose other tokens are no better than it.
        first: dict[int, tuple[Path, Array]] = {}
        while True:
            best = max(waiting, key=lattice.during)
            waiting.remove(best)
            if id(best) in first:
                path, row = first.pop(id(best))
                waiting += lattice.expanded(path, row, frame)[1:]
            if best.prefix not in rows:
                asked = _likely(lattice, best, waiting, kept, rows)
                found = yield Ask([frame] * len(asked), asked)
                rows.update(zip(asked, found, strict=True))
            row = rows[best.prefix]
            kept.append(lattice.silent(best, row))
            if lattice.fusion is None:
                # The others are made once this one is the best of all, which it seldom is.
                k = int(row[1:].argmax()) + 1
                said = lattice.extended(best, k, best.score + float(row[k]), frame)
                first[id(said)] = best, row
                waiting.append(said)
            else:
                waiting += lattice.expanded(best, row, frame)
            limit = max(waiting, key=lattice.during).score
            done = sorted((path for path in kept if path.score > limit), key=lambda p: p.score)
            if len(done) >= min(lattice.beam, len(row)):
                kept = done
                break
    return kept


def _likely(
    lattice: Lattice,
    best: Path,
    others: Sequence[Path],
    kept: Sequence[Path],
    rows: dict[int, Array],
) -> list[int]:
    """Prefixes worth asking for with the best: what may be expanded before the frame is over."""
    scores = sorted((path.score for path in kept), reverse=True)
    limit = scores[lattice.beam - 1] if len(scores) >= lattice.beam else -np.inf
    asked = {best.prefix: None}
    for path in ranked(others, lattice.during, len(others)):
        if len(asked) == lattice.beam or path.score <= limit:
            break
        if path.prefix not in rows:
            asked[path.prefix] = None
    return list(asked)
