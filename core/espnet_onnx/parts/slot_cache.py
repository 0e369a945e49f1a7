"""Keys and values of decoded tokens, in slots that hypotheses share.

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S slots, N heads, K width
of a head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from espnet_onnx.types import Array

__all__ = ["SlotCache"]

# Steps to come that a new pool has room for: more makes every step attend to more empty slots,
# fewer makes copies of the pool more frequent.
_AHEAD = 8
_GRANULE = 64


@attrs.define
class SlotCache:
    """A pool of slots an utterance; a token's slot is written once and read in place.

    Beam search drops most hypotheses soon after it made them, so when the pool is full only slots
    that some hypothesis still descends from move to a new one: a search over H hypotheses holds
    little more than U slots, not H * U.

    Attributes:
        slots: input name -> (B, N, S, K).
        used: how many slots have been written.
    """

    slots: dict[str, Array]
    used: int = 0

    @classmethod
    def empty(cls, batch: int, shapes: Mapping[str, tuple[int, int]]) -> SlotCache:
        """A pool with nothing in it; `shapes` gives N and K by input name."""
        slots = {
            name: np.zeros((batch, heads, _GRANULE, width), np.float32)
            for name, (heads, width) in shapes.items()
        }
        return cls(slots)

    @property
    def size(self) -> int:
        """S."""
        return int(next(iter(self.slots.values())).shape[2])

    def room(self, beams: int, ancestors: Array, used: int) -> tuple[SlotCache, Array]:
        """A pool that can take one more slot for each hypothesis.

        Args:
            beams: H.
            ancestors: (B, H, U), the slots that must stay.
            used: how many slots were written when `ancestors` was made. Where the pool has gone
                on since, its newer slots belong to another search, and this one gets a copy.

        Returns:
            This pool, or a new one with only the slots of `ancestors`; and what `ancestors` are
            called there.
        """
        if used == self.used and used + beams <= self.size:
            return self, ancestors
        return self._compact(beams, ancestors)

    def write(self, rows: Sequence[Array]) -> Array:
        """Append one slot for each hypothesis, in the order of `slots`: (B, N, H, K) each.

        Returns:
            The slots' numbers, (H,).
        """
        end = self.used + rows[0].shape[2]
        for pool, row in zip(self.slots.values(), rows, strict=True):
            pool[:, :, self.used : end] = row
        new = np.arange(self.used, end)
        self.used = end
        return new

    def keep(self, utterances: Array) -> SlotCache:
        """A pool of these utterances alone."""
        return SlotCache({name: pool[utterances] for name, pool in self.slots.items()}, self.used)

    def _compact(self, beams: int, ancestors: Array) -> tuple[SlotCache, Array]:
        live = [np.unique(own) for own in ancestors]
        used = max(len(own) for own in live)
        size = used + max(beams * _AHEAD, used // 4)
        size += -size % _GRANULE
        slots = {name: _move(pool, live, size) for name, pool in self.slots.items()}
        renamed = [np.searchsorted(own, old) for own, old in zip(live, ancestors, strict=True)]
        return SlotCache(slots, used), np.stack(renamed).astype(np.int64)


def _move(pool: Array, live: Sequence[Array], size: int) -> Array:
    batch, heads, _, width = pool.shape
    new = np.zeros((batch, heads, size, width), pool.dtype)
    for b, own in enumerate(live):
        new[b, :, : len(own)] = pool[b][:, own]
    return new
