"""What a search returns."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ["Hypothesis"]


@attrs.frozen
class Hypothesis:
    """One answer of a search.

    Attributes:
        tokens: token ids between <sos> and the last <eos>, as ESPnet's `hyp.yseq[1:-1]`.
        score: total log score, each part times its weight.
        scores: scorer name -> its part, before weighting.
        frames: encoder frame of every token where the search itself knows it; else empty.
    """

    tokens: tuple[int, ...]
    score: float
    scores: Mapping[str, float] = attrs.field(factory=dict)
    frames: tuple[int, ...] = ()
