"""A hypothesis of a search."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import attrs
import numpy as np

from espnet_onnx.types import Array

__all__ = ["Moments", "Path", "best_tokens", "moments", "ranked"]

# (frame of the last token, those before it): as hypotheses branch, they share what came before.
Moments: TypeAlias = "tuple[int, Moments] | None"


# Two are never equal: a search may hold one prefix twice.
@attrs.define(eq=False)
class Path:
    """A prefix with its score so far.

    Attributes:
        prefix: its number in `Prefixes`.
        score: log probability, the language model's part included.
        frames: in which frame each token was said, see `moments`.
        read: number in `Fusion.prefixes` of what a language model has read, and
        asked: of what it scores the next token behind, where neither is `prefix`: in
            `expanding.adaptive_expansion`.
    """

    prefix: int
    score: float
    frames: Moments = None
    read: int = 0
    asked: int = 0


def moments(path: Path) -> tuple[int, ...]:
    """In which frame each token was said, in their order."""
    found, rest = [], path.frames
    while rest is not None:
        frame, rest = rest
        found.append(frame)
    return tuple(reversed(found))


def ranked(paths: Iterable[Path], rank: Callable[[Path], float], count: int) -> list[Path]:
    """The `count` best, best first; equals stay in their order."""
    return sorted(paths, key=rank, reverse=True)[:count]


def best_tokens(row: Array, count: int) -> list[int]:
    """The best tokens but the blank, which is token 0, of (V,) log probabilities; best first."""
    scores = row[1:]
    count = min(count, len(scores))
    top = np.argpartition(-scores, count - 1)[:count]
    return [int(k) + 1 for k in top[np.argsort(-scores[top], kind="stable")]]
