"""Runs the encoder of the standalone task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.errors import AudioError
from espnet_onnx.roles import Encoded, Session
from espnet_onnx.types import Array

__all__ = ["StandaloneEncoder", "build"]


class StandaloneEncoder:
    """See `roles.Encoder`.

    Attributes:
        shortest: fewest input frames.
    """

    def __init__(self, session: Session, shortest: int) -> None:
        self._session, self.shortest = session, shortest

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        """(B, T, F) and (B,) -> Encoded.

        Raises:
            AudioError: an utterance has fewer frames than `shortest`.
        """
        if lengths.min() < self.shortest:
            raise AudioError(
                f"the input has {int(lengths.min())} frames and the encoder needs "
                f"{self.shortest}: give a longer recording"
            )
        out, frames = self._session(feats=feats, feats_lengths=lengths)
        return Encoded(out, frames)


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> StandaloneEncoder:
    """The encoder of a node."""
    return StandaloneEncoder(open_session("encoder"), node.config["shortest"])
