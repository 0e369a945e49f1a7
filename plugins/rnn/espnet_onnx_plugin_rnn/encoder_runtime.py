"""A recurrent encoder at run time: one graph."""

from __future__ import annotations

import espnet_onnx as eo
from espnet_onnx.errors import AudioError
from espnet_onnx.roles import Encoded, Session
from espnet_onnx.types import Array

__all__ = ["EncoderRuntime"]


class EncoderRuntime:
    """See `roles.Encoder`.

    Attributes:
        shortest: fewest input frames.
    """

    def __init__(self, session: Session, shortest: int) -> None:
        self._session = session
        self.shortest = shortest

    @classmethod
    def of(cls, node: eo.Node, session: Session) -> EncoderRuntime:
        """The encoder of a bundle's node."""
        return cls(session, int(node.config["shortest"]))

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        """(B, T, F) float32 and lengths (B,) -> Encoded.

        Raises:
            AudioError: an utterance has fewer frames than `shortest`.
        """
        if lengths.min() < self.shortest:
            raise AudioError(
                f"the input has {int(lengths.min())} frames and the encoder needs "
                f"{self.shortest}: give a longer recording"
            )
        out, out_lengths = self._session(feats=feats, feats_lengths=lengths)
        return Encoded(out, out_lengths)
