"""Runs a Longformer encoder.

Shapes: B utterances, T frames, F features, D width.
"""

from __future__ import annotations

from espnet_onnx.roles import Encoded, Session
from espnet_onnx.types import Array

__all__ = ["LongformerRuntime"]


class LongformerRuntime:
    """See `roles.Encoder`. Lengths that it returns count the padding that ESPnet decodes too.

    Attributes:
        shortest: fewest input frames; the parent looks first.
    """

    def __init__(self, session: Session, shortest: int) -> None:
        self._session = session
        self.shortest = shortest

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        """(B, T, F) and lengths (B,) -> Encoded."""
        out, out_lengths = self._session(feats=feats, feats_lengths=lengths)
        return Encoded(out, out_lengths)
