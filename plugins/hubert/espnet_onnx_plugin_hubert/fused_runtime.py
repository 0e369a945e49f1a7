"""Runs frontend `fused`: its frontends, then the graph that joins them.

Shapes: B utterances, S samples, T frames, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.roles import Frontend, Session
from espnet_onnx.types import Array

__all__ = ["FusedFrontends", "build"]


@attrs.frozen
class FusedFrontends:
    """See `roles.Frontend`.

    Attributes:
        sample_rate: of the waveform that all frontends hear, in Hz.
    """

    session: Session
    frontends: Sequence[Frontend]
    sample_rate: int

    @property
    def hop_length(self) -> int:
        """Samples between frames of the common rate."""
        return math.gcd(*(frontend.hop_length for frontend in self.frontends))

    @property
    def shortest(self) -> int:
        """Fewest samples that every frontend accepts."""
        return max(frontend.shortest for frontend in self.frontends)

    def __call__(self, speech: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, S) float32 and lengths in samples -> (B, T, D) and lengths in frames.

        Raises:
            AudioError: an utterance is shorter than `shortest`.
        """
        feed = {}
        for i, frontend in enumerate(self.frontends):
            feats, frames = frontend(speech, lengths)
            feed[f"feats_{i}"] = feats
            feed[f"lengths_{i}"] = frames.astype(np.int64)
        fused, fused_lengths = self.session(**feed)
        return fused, fused_lengths


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> FusedFrontends:
    """The frontend of a bundle's node."""
    frontends = [children[f"frontend_{i}"] for i in range(len(children))]
    return FusedFrontends(open_session("fusion"), frontends, node.config["sample_rate"])
