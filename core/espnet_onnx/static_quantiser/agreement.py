"""How far int8 is from fp32 on what a graph hears."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs
import numpy as np

from ..parity import cosine, difference
from ..types import Array, Feed

__all__ = ["Agreement", "snr", "split"]

Run = Callable[[Feed], Mapping[str, Array]]


@attrs.frozen
class Agreement:
    """Of all outputs for some inputs.

    Attributes:
        difference: the largest, see `parity.difference`.
        cosine: the smallest.
        snr_db: signal-to-noise ratio over all of them.
    """

    difference: float
    cosine: float
    snr_db: float

    @classmethod
    def of(cls, int8: Run, fp32: Run, feeds: Sequence[Feed]) -> Agreement:
        """Run both; at least one input."""
        pairs = [
            (got[name], want[name])
            for got, want in ((int8(feed), fp32(feed)) for feed in feeds)
            for name in want
        ]
        apart, alike = max(difference(*p) for p in pairs), min(cosine(*p) for p in pairs)
        return cls(apart, alike, snr(pairs))


def snr(pairs: Iterable[tuple[Array, Array]]) -> float:
    """Signal-to-noise ratio in dB over all pairs of (what is, what should be).

    Infinite where nothing differs.
    """
    signal = noise = 0.0
    for got, want in pairs:
        want = want.astype(np.float64)
        signal += float(np.square(want).sum())
        noise += float(np.square(got - want).sum())
    return float(10 * np.log10(signal / noise)) if noise and signal else float("inf")


def split(feeds: Sequence[Feed]) -> tuple[Sequence[Feed], Sequence[Feed]]:
    """Inputs to calibrate on, and every fourth to check with, of which calibration says nothing."""
    return [feed for i, feed in enumerate(feeds) if i % 4] or feeds, feeds[::4]
