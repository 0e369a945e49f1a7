"""A decoder's hidden states over whole transcripts.

Shapes: B utterances, U tokens with <sos>, T frames, D width.
"""

from __future__ import annotations

import attrs
import numpy as np

from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["DecoderStates"]


@attrs.frozen
class DecoderStates:
    """Role `decoder_states`.

    The search keeps no states of its hypotheses: those of the one that is translated are computed
    anew, all tokens at once, which costs about as much as one step of the search.
    """

    session: Session

    def __call__(self, encoder_out: Array, lengths: Array, tokens: Array) -> Array:
        """(B, T, D), (B,) and (B, U) int64 -> (B, U, D), what was behind each token."""
        feed = {"encoder_out": encoder_out, "encoder_out_lengths": lengths.astype(np.int64)}
        (states,) = self.session(tokens=np.ascontiguousarray(tokens), **feed)
        return states
