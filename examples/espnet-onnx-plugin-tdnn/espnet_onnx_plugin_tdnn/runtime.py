"""Runs the encoder's graph: numpy and onnxruntime only."""

from __future__ import annotations

from espnet_onnx.roles import Encoded, Session
from espnet_onnx.types import Array

__all__ = ["TDNNRuntime"]


class TDNNRuntime:
    """Role `encoder`; see `espnet_onnx.roles.Encoder`."""

    shortest = 1

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        """(B, T, F) features and their lengths (B,) -> Encoded."""
        out, out_lengths = self._session(feats=feats, feats_lengths=lengths)
        return Encoded(out, out_lengths)
