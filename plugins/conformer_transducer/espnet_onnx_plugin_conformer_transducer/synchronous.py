"""Searches that are synchronous in time, or in the length of the alignment (Saon et al. 2020)."""

from __future__ import annotations

import numpy as np

from .lattice import Lattice
from .paths import Path, ranked
from .scores import Ask, Search

__all__ = ["align_length_synchronous", "merge", "time_synchronous"]


def time_synchronous(lattice: Lattice, kept: list[Path]) -> Search[list[Path]]:
    """`BeamSearchTransducer.time_sync_decoding`: so many tokens may be said in every frame."""
    for frame in lattice.frames:
        silent: dict[int, Path] = {}
        saying = kept
        for step in range(lattice.settings.max_sym_exp):
            rows = yield Ask([frame] * len(saying), [path.prefix for path in saying])
            for path, row in zip(saying, rows, strict=True):
                merge(silent, lattice.silent(path, row))
            if step == lattice.settings.max_sym_exp - 1:
                break
            lattice.read_together(saying)
            longer = [
                new
                for path, row in zip(saying, rows, strict=True)
                for new in lattice.expanded(path, row, frame)
            ]
            saying = ranked(longer, lattice.during, lattice.beam)
        kept = ranked(silent.values(), lattice.during, lattice.beam)
    return kept


def align_length_synchronous(lattice: Lattice) -> Search[list[Path]]:
    """`BeamSearchTransducer.align_length_sync_decoding`.

    At every step each hypothesis is in a frame of its own: tokens and blanks add up to the step.
    So it needs all frames of an utterance at once, and returns its results sorted.
    """
    length = len(lattice.frames)
    last = length - 1
    beam, ended = [Path(0, 0.0)], []
    for step in range(length + min(lattice.settings.u_max, last)):
        running = [(step - lattice.prefixes.length[path.prefix], path) for path in beam]
        running = [(frame, path) for frame, path in running if frame <= last]
        if not running:
            continue
        rows = yield Ask([frame for frame, _ in running], [path.prefix for _, path in running])
        lattice.read_together([path for _, path in running])
        found = []
        for (frame, path), row in zip(running, rows, strict=True):
            silent = lattice.silent(path, row)
            if frame == last:
                ended.append(silent)
            found += [silent, *lattice.expanded(path, row, frame)]
        merged: dict[int, Path] = {}
        for path in ranked(found, lattice.during, lattice.beam):
            merge(merged, path)
        beam = list(merged.values())
    return lattice.result(ended) if ended else beam


def merge(paths: dict[int, Path], path: Path) -> None:
    """`recombine_hyps`: equal sequences are one hypothesis, the first, with both probabilities."""
    first = paths.setdefault(path.prefix, path)
    if first is not path:
        first.score = float(np.logaddexp(first.score, path.score))
