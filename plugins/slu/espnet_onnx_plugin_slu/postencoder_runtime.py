"""A post-encoder at run time: one graph."""

from __future__ import annotations

import attrs

from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["PostEncoder"]


@attrs.frozen
class PostEncoder:
    """See `roles.Transform`."""

    session: Session

    def __call__(self, feats: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, T, F) float32 and lengths -> (B, T, D) and lengths."""
        out, out_lengths = self.session(feats=feats, feats_lengths=lengths)
        return out, out_lengths
