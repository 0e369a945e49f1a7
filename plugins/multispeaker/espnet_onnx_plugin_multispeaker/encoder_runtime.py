"""Runs a multi-speaker encoder.

Shapes: B utterances, N speakers, T frames, F features, D width.
"""

from __future__ import annotations

import numpy as np

from espnet_onnx.roles import Encoded, Session
from espnet_onnx.types import Array

__all__ = ["MultiSpeakerEncoder"]


class MultiSpeakerEncoder:
    """Role `multispeaker_encoder`: like `roles.Encoder`, but with N rows for every utterance.

    Attributes:
        shortest: fewest input frames; the parent looks first.
        speakers: N.
    """

    def __init__(self, session: Session, shortest: int, speakers: int) -> None:
        self._session = session
        self.shortest, self.speakers = shortest, speakers

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        """(B, T, F) and lengths (B,) -> (B * N, T', D); the rows of an utterance are neighbours."""
        out, out_lengths = self._session(feats=feats, feats_lengths=lengths)
        return Encoded(out.reshape(-1, *out.shape[2:]), np.repeat(out_lengths, self.speakers))
