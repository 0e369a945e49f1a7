"""Scores the next tokens of hypotheses with a recurrent language model.

Shapes: B utterances, H hypotheses an utterance, U tokens so far with <sos>, L layers, D width of a
state, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["SeqRnnScorer"]


class SeqRnnScorer:
    """Role `lm`; see `roles.Scorer`. A state is (B, H, L, D) by input name."""

    def __init__(self, step: Session) -> None:
        self._step = step
        shapes = {name: shape for name, shape in step.inputs.items() if name != "tokens"}
        self._sizes = {name: (int(shape[2]), int(shape[3])) for name, shape in shapes.items()}

    def start(self, encoder_out: Array, lengths: Array) -> Mapping[str, Array]:
        """Zeros, as `nn.LSTM` begins; of the utterances only their number counts."""
        shape = (len(lengths), 1)
        return {name: np.zeros((*shape, *s), np.float32) for name, s in self._sizes.items()}

    def score(
        self, tokens: Array, state: Mapping[str, Array], parents: Array
    ) -> tuple[Array, Mapping[str, Array]]:
        """(B, H, U) tokens, a state of (B, H') and (B, H) parents -> (B, H, V), a new state."""
        rows = np.arange(len(parents))[:, None]
        feed = {name: array[rows, parents] for name, array in state.items()}
        last = np.ascontiguousarray(tokens[:, :, -1])
        log_probs, *new = self._step(tokens=last, **feed)
        return log_probs, dict(zip(state, new, strict=True))

    def keep(self, state: Mapping[str, Array], utterances: Array) -> Mapping[str, Array]:
        """The state of some of its utterances."""
        return {name: array[utterances] for name, array in state.items()}
