"""An encoder at run time: one graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import espnet_onnx as eo
from espnet_onnx.errors import AudioError
from espnet_onnx.roles import Encoded, Session
from espnet_onnx.types import Array

__all__ = ["EncoderRuntime", "build_encoder"]


class EncoderRuntime:
    """See `roles.Encoder`.

    Attributes:
        shortest: fewest input frames.
        inter: numbers of the blocks whose normalised output comes along.
    """

    def __init__(self, session: Session, shortest: int, inter: Sequence[int]) -> None:
        self._session = session
        self.shortest = shortest
        self.inter = tuple(inter)

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        """(B, T, D) float32, or (B, T) int64 tokens, and lengths (B,) -> Encoded.

        Raises:
            AudioError: an utterance has fewer frames than `shortest`.
        """
        if lengths.min() < self.shortest:
            raise AudioError(
                f"the input has {int(lengths.min())} frames and the encoder needs "
                f"{self.shortest}: give a longer recording"
            )
        out, out_lengths, *inter = self._session(feats=feats, feats_lengths=lengths)
        return Encoded(out, out_lengths, dict(zip(self.inter, inter, strict=True)))


def build_encoder(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> EncoderRuntime:
    """The encoder of a bundle's node."""
    config = node.config
    return EncoderRuntime(open_session("encoder"), config["shortest"], config["inter"])
