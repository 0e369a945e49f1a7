"""Greedy searches, which go from token to token and look at several frames at once."""

from __future__ import annotations

from .lattice import Lattice
from .paths import Path
from .scores import Ask, Search

__all__ = ["greedy", "multi_blank_greedy"]

# Frames looked at in one call: at first, and at most, doubled while nothing is said.
_FEWEST, _MOST = 6, 32
# `BeamSearchTransducer.multi_blank_greedy_search` says no more in one frame.
_TOKENS_A_FRAME = 4


def greedy(lattice: Lattice, kept: list[Path]) -> Search[list[Path]]:
    """`BeamSearchTransducer.greedy_search`: at most one token a frame, blanks cost nothing."""
    (path,) = kept
    frame, ahead = lattice.frames.start, _FEWEST
    while frame < lattice.frames.stop:
        end = min(frame + ahead, lattice.frames.stop)
        log_probs = yield Ask(range(frame, end), [path.prefix] * (end - frame))
        best = log_probs.argmax(-1).tolist()
        row = next((row for row, token in enumerate(best) if token), None)
        if row is None:
            frame, ahead = end, min(2 * ahead, _MOST)
            continue
        prefix = lattice.prefixes.extended(path.prefix, best[row])
        score = path.score + float(log_probs[row, best[row]])
        path = Path(prefix, score, (frame + row, path.frames))
        frame, ahead = frame + row + 1, _FEWEST
    return [path]


def multi_blank_greedy(lattice: Lattice) -> Search[list[Path]]:
    """`BeamSearchTransducer.multi_blank_greedy_search` (Xu et al. 2022): a blank lasts long."""
    first, durations = lattice.blanks
    path, frame, said = Path(0, 0.0), 0, 0
    while frame < lattice.frames.stop:
        end = min(frame + _FEWEST, lattice.frames.stop)
        start = frame
        log_probs = yield Ask(range(start, end), [path.prefix] * (end - start))
        while frame < end:
            row = log_probs[frame - start]
            token = int(row.argmax())
            score = path.score + float(row[token])
            if first <= token < first + len(durations):
                path = Path(path.prefix, score, path.frames)
                frame, said = frame + durations[token - first], 0
                continue
            prefix = lattice.prefixes.extended(path.prefix, token)
            path, said = Path(prefix, score, (frame, path.frames)), said + 1
            if said == _TOKENS_A_FRAME:
                frame, said = frame + 1, 0
            break
    return [path]
