"""Hypotheses of one moment of a search, over a cache that none of them owns.

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, N heads, K width of a
head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from ..roles import Session
from ..types import Array
from .slot_cache import SlotCache

__all__ = ["CachedHypotheses", "last_tokens"]


@attrs.frozen
class CachedHypotheses:
    """What the hypotheses of one moment have in common with the next.

    The graph of a step takes `tokens`, `ancestors`, the sources and `past_*`; behind its scores it
    returns keys and values of new slots in the order of `past_*`.

    Attributes:
        sources: what every step reads of the utterances, by input name.
        cache: keys and values of decoded tokens.
        ancestors: (B, H, U), the cache slots of every hypothesis, oldest token first.
        used: how many slots were written when this state was made.
    """

    sources: Mapping[str, Array]
    cache: SlotCache
    ancestors: Array
    used: int

    @classmethod
    def empty(cls, batch: int, step: Session, sources: Mapping[str, Array]) -> CachedHypotheses:
        """One empty hypothesis for each of `batch` utterances; the cache is as `step` takes it."""
        past = {name: shape for name, shape in step.inputs.items() if name.startswith("past_")}
        shapes = {name: (int(shape[1]), int(shape[3])) for name, shape in past.items()}
        ancestors = np.zeros((batch, 1, 0), np.int64)
        return cls(sources, SlotCache.empty(batch, shapes), ancestors, 0)

    @property
    def feed(self) -> dict[str, Array]:
        """All that a step takes but the tokens."""
        return {"ancestors": self.ancestors, **self.sources, **self.cache.slots}

    def children(self, parents: Array) -> CachedHypotheses:
        """Hypotheses that prolong those of (B, H) `parents`; the cache has room for each."""
        ancestors = np.take_along_axis(self.ancestors, parents[:, :, None], axis=1)
        cache, ancestors = self.cache.room(parents.shape[1], ancestors, self.used)
        return CachedHypotheses(self.sources, cache, ancestors, cache.used)

    def append(self, rows: Sequence[Array], hidden: Array | None = None) -> CachedHypotheses:
        """The same hypotheses with one more token each.

        Args:
            rows: what a step returned for the new tokens: (B, N, H, K) each.
            hidden: (B, H), tokens that no later one may see. The slot of the hypothesis' first
                token takes the place of theirs, unless they are the first.
        """
        own = np.broadcast_to(self.cache.write(rows), self.ancestors.shape[:2])
        if hidden is not None and self.ancestors.shape[2]:
            own = np.where(hidden, self.ancestors[:, :, 0], own)
        ancestors = np.concatenate([self.ancestors, own[:, :, None]], axis=2)
        return CachedHypotheses(self.sources, self.cache, ancestors, self.cache.used)

    def keep(self, utterances: Array) -> CachedHypotheses:
        """The hypotheses of some of the utterances."""
        sources = {name: array[utterances] for name, array in self.sources.items()}
        cache, ancestors = self.cache.keep(utterances), self.ancestors[utterances]
        return CachedHypotheses(sources, cache, ancestors, self.used)


def last_tokens(tokens: Array) -> Array:
    """(B, H, U) -> (B, H), in one piece."""
    return np.ascontiguousarray(tokens[:, :, -1])
