"""Searches with a few expansions a frame: N-step constrained, and modified adaptive expansion."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np

from espnet_onnx.types import Array

from .lattice import Lattice
from .paths import Path, ranked
from .scores import Ask, Search

__all__ = ["adaptive", "adaptive_expansion", "ask", "step_constrained"]

# Rows of one frame by prefix, asked for as they are needed.
Rows = Generator[Ask, Array, dict[int, Array]]


def step_constrained(lattice: Lattice, kept: list[Path]) -> Search[list[Path]]:
    """`BeamSearchTransducer.nsc_beam_search` (Boyer et al. 2021)."""
    steps = lattice.settings.nstep
    for frame in lattice.frames:
        paths, known = yield from _with_prefixes(lattice, kept, frame)
        silent: list[Path] = []
        said: list[Path] = []
        for step in range(steps):
            yield from ask(paths, frame, known)
            for path in paths:
                row = known[path.prefix]
                silent.append(lattice.silent(path, row))
                said += lattice.expanded(path, row, frame)
            there = {path.prefix for path in paths}
            fresh = [path for path in ranked(said, _score, len(said)) if path.prefix not in there]
            said = fresh[: lattice.beam]
            if step < steps - 1:
                paths = list(said)
        if steps > 1:
            yield from ask(said, frame, known)
            for path in said:
                path.score += float(known[path.prefix][0])
        kept = ranked([*silent, *said], _score, lattice.beam)
    return kept


def adaptive_expansion(lattice: Lattice, kept: list[Path]) -> Search[list[Path]]:
    """`BeamSearchTransducer.modified_adaptive_expansion_search` (Kim et al. 2020).

    A language model has not read all of a path. What ESPnet's search says last in a frame is scored
    by the model but not kept in its state (it sets `lm_states`, which nobody reads), so the model
    forgets it.
    """
    steps = max(2, lattice.settings.nstep)
    for frame in lattice.frames:
        paths, known = yield from _with_prefixes(lattice, kept, frame)
        there = {path.prefix for path in paths}
        silent: list[Path] = []
        for step in range(steps):
            yield from ask(paths, frame, known)
            said: list[Path] = []
            for path in paths:
                quiet, new = adaptive(lattice, path, known[path.prefix], frame)
                silent += quiet
                said += [path for path in new if path.prefix not in there]
            if not said:
                kept = ranked(silent, _score, lattice.beam)
                break
            paths = said
            if step < steps - 1:
                for path in said:
                    path.read = path.asked
                continue
            yield from ask(said, frame, known)
            for path in said:
                path.score += float(known[path.prefix][0])
            kept = ranked([*silent, *said], _score, lattice.beam)
    return kept


def _score(path: Path) -> float:
    return path.score


def adaptive(lattice: Lattice, path: Path, row: Array, frame: int) -> tuple[list[Path], list[Path]]:
    """`select_k_expansions`: the path after a blank, and with tokens, that are good enough."""
    count = lattice.beam + lattice.settings.expansion_beta
    top = np.argpartition(-row, count - 1)[:count]
    top = top[np.argsort(-row[top], kind="stable")]
    silent, said = [], []
    for k in map(int, top):
        if row[k] < row[top[0]] - lattice.settings.expansion_gamma:
            break
        score = path.score + float(row[k])
        if k == 0:
            silent.append(Path(path.prefix, score, path.frames, path.read, path.asked))
            continue
        asked = 0
        if lattice.fusion is not None:
            score += lattice.settings.lm_weight * float(lattice.fusion(path.asked)[k])
            asked = lattice.fusion.prefixes.extended(path.read, k)
        prefix = lattice.prefixes.extended(path.prefix, k)
        said.append(Path(prefix, score, (frame, path.frames), path.read, asked))
    return silent, said


def ask(paths: Sequence[Path], frame: int, known: dict[int, Array]) -> Rows:
    """Complete the rows of a frame."""
    missing = list(dict.fromkeys(path.prefix for path in paths if path.prefix not in known))
    if missing:
        found = yield Ask([frame] * len(missing), missing)
        known.update(zip(missing, found, strict=True))
    return known


def _with_prefixes(
    lattice: Lattice, kept: Sequence[Path], frame: int
) -> Generator[Ask, Array, tuple[list[Path], dict[int, Array]]]:
    """`BeamSearchTransducer.prefix_search` (Graves 2012): what shorter hypotheses may become.

    Returns the paths, longest first, with the probability that a shorter one becomes each of them
    in this frame, and the rows that were asked for.
    """
    length = lattice.prefixes.length
    paths = ranked(kept, lambda path: length[path.prefix], len(kept))
    pairs = [
        (longer, shorter, _between(lattice, longer.prefix, shorter.prefix))
        for i, longer in enumerate(paths)
        for shorter in paths[i + 1 :]
    ]
    pairs = [(longer, shorter, tokens) for longer, shorter, tokens in pairs if tokens]
    steps = [Path(number, 0.0) for _, _, tokens in pairs for number, _ in tokens]
    known = yield from ask([*paths, *steps], frame, {})
    for longer, shorter, tokens in pairs:
        score = shorter.score + sum(float(known[number][token]) for number, token in tokens)
        longer.score = float(np.logaddexp(longer.score, score))
    return paths, known


def _between(lattice: Lattice, longer: int, shorter: int) -> list[tuple[int, int]]:
    """Prefixes and the tokens that lead from one to the other; none if too far or no prefix."""
    prefixes = lattice.prefixes
    distance = prefixes.length[longer] - prefixes.length[shorter]
    if not 0 < distance <= lattice.settings.prefix_alpha:
        return []
    tokens = []
    while distance:
        parent = prefixes.parent[longer]
        tokens.append((parent, prefixes.last[longer]))
        longer, distance = parent, distance - 1
    return tokens[::-1] if longer == shorter else []
