"""A hypothesis of a search, and what a search returns of it."""

from __future__ import annotations

import attrs

__all__ = ["Path"]


@attrs.frozen
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
