"""Scores the next tokens of hypotheses with a convolutional decoder.

Shapes: B utterances, H hypotheses an utterance, U tokens so far with <sos>, T encoder frames,
D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["LightConvScorer"]

State = Mapping[str, Array]


class LightConvScorer:
    """Role `decoder`; see `roles.Scorer`.

    ESPnet's search shows these decoders the last token alone, so a state holds nothing of a
    hypothesis: encoder lengths and cross-attention keys and values of the utterances are all.
    """

    def __init__(self, memory: Session, step: Session) -> None:
        self._memory, self._step = memory, step
        self._names = [name for name in step.inputs if name.startswith("memory_")]

    def start(self, encoder_out: Array, lengths: Array) -> State:
        """State of the empty hypothesis: (B, T, D) and lengths (B,)."""
        memory = dict(zip(self._names, self._memory(encoder_out=encoder_out), strict=True))
        return {"encoder_out_lengths": lengths.astype(np.int64), **memory}

    def score(self, tokens: Array, state: State, parents: Array) -> tuple[Array, State]:
        """(B, H, U) tokens -> (B, H, V) and the same state."""
        batch, _, size = tokens.shape
        last = np.ascontiguousarray(tokens[:, :, -1])
        positions = np.full(batch, size - 1, np.int64)
        (log_probs,) = self._step(tokens=last, positions=positions, **state)
        return log_probs, state

    def keep(self, state: State, utterances: Array) -> State:
        """The state of some of its utterances."""
        return {name: array[utterances] for name, array in state.items()}
