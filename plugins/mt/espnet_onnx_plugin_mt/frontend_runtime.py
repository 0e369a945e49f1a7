"""Token ids of texts to what an encoder reads.

Shapes: B texts, L tokens, T frames, P tokens a frame, D width.
"""

from __future__ import annotations

import attrs
import numpy as np

from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["TokenFrontend"]


@attrs.frozen
class TokenFrontend:
    """Role `frontend` of texts.

    Attributes:
        patch: P; lengths are whole multiples of it.
    """

    session: Session
    patch: int

    def __call__(self, tokens: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, L) int64, any ids behind a text's end, and lengths -> (B, T, D) and lengths."""
        frames = np.ascontiguousarray(tokens.reshape(len(tokens), -1, self.patch))
        feats, feats_lengths = self.session(tokens=frames, tokens_lengths=lengths // self.patch)
        return feats, feats_lengths
