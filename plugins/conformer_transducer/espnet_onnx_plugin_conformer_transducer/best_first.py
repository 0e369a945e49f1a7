"""ESPnet's default beam search: in every frame the best hypothesis is expanded first.

Shapes: N pairs, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from espnet_onnx.types import Array

from .paths import Path
from .prefixes import Prefixes
from .scores import Ask, Search
from .settings import TransducerDecoding

__all__ = ["best_first"]

Rank = Callable[[Path], float]


def best_first(
    length: int, prefixes: Prefixes, settings: TransducerDecoding, blank: int
) -> Search[list[Path]]:
    """`BeamSearchTransducer.default_beam_search` (Graves 2012, algorithm 1).

    What is asked for together are the hypotheses that may be expanded in this frame, not only the
    one that is next: the networks cost nearly the same for several.
    """

    def rank(path: Path) -> float:
        longer = prefixes.length[path.prefix] + 1 if settings.score_norm_during else 1
        return path.score / longer

    kept = [Path(0, 0.0)]
    for frame in range(length):
        open_, kept = kept, []
        rows: dict[int, Array] = {}
        while True:
            best = max(open_, key=rank)
            open_.remove(best)
            if best.prefix not in rows:
                asked = _likely(best, open_, kept, rows, settings.beam_size, rank)
                found = yield Ask([frame] * len(asked), asked)
                rows.update(zip(asked, found, strict=True))
            row = rows[best.prefix]
            kept.append(Path(best.prefix, best.score + float(row[blank]), best.frames))
            open_ += _expanded(best, row, frame, prefixes, settings.beam_size, blank)
            limit = max(open_, key=rank).score
            done = sorted((path for path in kept if path.score > limit), key=lambda p: p.score)
            if len(done) >= min(settings.beam_size, len(row)):
                kept = done
                break
    return kept


def _likely(
    best: Path,
    others: Sequence[Path],
    kept: Sequence[Path],
    rows: dict[int, Array],
    beam: int,
    rank: Rank,
) -> list[int]:
    """Prefixes worth asking for with the best: what may be expanded before the frame is over."""
    enough = sorted((path.score for path in kept), reverse=True)
    limit = enough[beam - 1] if len(enough) >= beam else -np.inf
    asked = {best.prefix: None}
    for path in sorted(others, key=rank, reverse=True):
        if len(asked) == beam or path.score <= limit:
            break
        if path.prefix not in rows:
            asked[path.prefix] = None
    return list(asked)


def _expanded(
    path: Path, row: Array, frame: int, prefixes: Prefixes, beam: int, blank: int
) -> list[Path]:
    """The path with each of the best tokens."""
    scores = row.copy()
    scores[blank] = -np.inf
    count = min(beam, len(row) - 1)
    top = np.argpartition(-scores, count - 1)[:count]
    top = top[np.argsort(-scores[top], kind="stable")]
    frames = (*path.frames, frame)
    return [
        Path(prefixes.extended(path.prefix, int(k)), path.score + float(row[k]), frames)
        for k in top
    ]
