"""The length adaptor at run time: one graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

import espnet_onnx as eo
from espnet_onnx.errors import AudioError
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["LengthAdaptorRuntime", "build_length_adaptor"]


@attrs.frozen
class LengthAdaptorRuntime:
    """See `roles.Transform`.

    Attributes:
        session: the graph.
        shortest: fewest frames that make one.
    """

    session: Session
    shortest: int

    def __call__(self, feats: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, T, F) float32 and lengths -> (B, T', D) and lengths.

        Raises:
            AudioError: an utterance has fewer frames than `shortest`.
        """
        if lengths.min() < self.shortest:
            raise AudioError(
                f"too short: {int(lengths.min())} encoder frames, the length adaptor needs "
                f"{self.shortest}: give longer audio"
            )
        out, out_lengths = self.session(feats=feats, feats_lengths=lengths)
        return out, out_lengths


def build_length_adaptor(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> LengthAdaptorRuntime:
    """The length adaptor of a bundle's node."""
    return LengthAdaptorRuntime(open_session("postencoder"), node.config["ratio"])
