"""Runs a graph from features to features: normalisation and linear projection."""

from __future__ import annotations

import attrs
import numpy as np

from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["Transform"]


@attrs.frozen
class Transform:
    """See `roles.Transform`."""

    session: Session

    def __call__(self, feats: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, T, D) float32 and lengths in frames -> (B, T, D') and lengths."""
        out, out_lengths = self.session(feats=feats, feats_lengths=lengths.astype(np.int64))
        return out, out_lengths
