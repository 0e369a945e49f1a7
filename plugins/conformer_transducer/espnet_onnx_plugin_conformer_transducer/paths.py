"""A hypothesis of a search."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import attrs
import numpy as np

from espnet_onnx.types import Array

__all__ = ["Path", "best_tokens", "ranked"]


# Two are never equal: a search may hold one prefix twice.
@attrs.define(eq=False)
class Path:
    """A prefix with its score so far.

    Attributes:
        prefix: its number in `Prefixes`.
        score: log probability, the language model's part included.
        frames: in which frame each token was said.
    """

    prefix: int
    score: float
    frames: tuple[int, ...] = ()


P = TypeVar("P", bound=Path)


def ranked(paths: Iterable[P], rank: Callable[[P], float], count: int) -> list[P]:
    """The `count` best, best first; equals stay in their order."""
    return sorted(paths, key=rank, reverse=True)[:count]


def best_tokens(row: Array, count: int) -> list[int]:
    """The best tokens but the blank, which is token 0, of (V,) log probabilities; best first."""
    scores = row[1:]
    count = min(count, len(scores))
    top = np.argpartition(-scores, count - 1)[:count]
    return [int(k) + 1 for k in top[np.argsort(-scores[top], kind="stable")]]
