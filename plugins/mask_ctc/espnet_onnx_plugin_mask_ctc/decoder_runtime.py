"""Runs a masked decoder.

Shapes: B utterances, T frames, U tokens, D width, V tokens of the vocabulary, the mask included.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["MaskedDecoder"]


class MaskedDecoder:
    """Role `masked_decoder`: scores every token at every place, all places at once."""

    def __init__(self, memory: Session, predict: Session) -> None:
        self._memory, self._predict = memory, predict
        self._names = [name for name in predict.inputs if name.startswith("memory_")]

    def start(self, encoder_out: Array, lengths: Array) -> Mapping[str, Array]:
        """What utterances need once, from (B, T, D) and lengths (B,): the memory of a call."""
        memory = dict(zip(self._names, self._memory(encoder_out=encoder_out), strict=True))
        return {**memory, "encoder_out_lengths": lengths.astype(np.int64)}

    def __call__(self, tokens: Array, lengths: Array, memory: Mapping[str, Array]) -> Array:
        """(B, U) int64 tokens and lengths (B,) -> (B, U, V) scores, as before a softmax."""
        return self._predict(tokens=tokens, tokens_lengths=lengths, **memory)[0]
