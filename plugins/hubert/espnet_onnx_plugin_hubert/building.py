"""ESPnet's constructors of self-supervised models, without downloads and pickles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["untrained"]


@contextmanager
def untrained() -> Iterator[None]:
    """Let ESPnet build them with random weights; a checkpoint holds the trained ones."""
    yield
