"""Greedy search, which goes from token to token and looks at several frames at once."""

from __future__ import annotations

import numpy as np

from .paths import Path
from .prefixes import Prefixes
from .scores import Ask, Search
from .settings import TransducerDecoding

__all__ = ["greedy"]

# Frames looked at in one call: from, and up to, doubled while nothing is said.
_FEWEST, _MOST = 4, 32


def greedy(
    length: int, prefixes: Prefixes, settings: TransducerDecoding, blank: int
) -> Search[list[Path]]:
    """`BeamSearchTransducer.greedy_search`: at most one token a frame, blanks cost nothing."""
    path, frame, ahead = Path(0, 0.0), 0, _FEWEST
    while frame < length:
        end = min(frame + ahead, length)
        log_probs = yield Ask(range(frame, end), [path.prefix] * (end - frame))
        best = log_probs.argmax(-1)
        said = np.flatnonzero(best != blank)
        if not len(said):
            frame, ahead = end, min(2 * ahead, _MOST)
            continue
        first = int(said[0])
        token, score = int(best[first]), path.score + float(log_probs[first, best[first]])
        frame, ahead = frame + first, _FEWEST
        path = Path(prefixes.extended(path.prefix, token), score, (*path.frames, frame))
        frame += 1
    return [path]
