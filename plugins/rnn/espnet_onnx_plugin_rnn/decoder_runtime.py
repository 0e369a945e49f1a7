"""Scores the next tokens of hypotheses with a recurrent decoder.

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, T encoder frames, D
width, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["DecoderState", "RNNDecoderScorer"]

_PAST = "past_"


@attrs.frozen
class DecoderState:
    """What the hypotheses of one moment have in common with the next.

    Attributes:
        memory: what each utterance needs, by input name; shared by its hypotheses.
        past: recurrent states and attention weights, (B, H, ...) by input name.
    """

    memory: Mapping[str, Array]
    past: Mapping[str, Array]


class RNNDecoderScorer:
    """Role `decoder`; see `roles.Scorer`.

    The graph `memory` projects the encoder's output once and makes the first states; the graph
    `step` knows nothing of hypotheses before it but their states, which are never written to.
    """

    def __init__(self, memory: Session, step: Session) -> None:
        self._memory, self._step = memory, step
        self._past = [name for name in step.inputs if name.startswith(_PAST)]
        self._made = [name for name in step.inputs if name.startswith(("memory_", _PAST))]

    def start(self, encoder_out: Array, lengths: Array) -> DecoderState:
        """State of the empty hypothesis: (B, T, D) and lengths (B,)."""
        given = {"encoder_out": encoder_out, "encoder_out_lengths": lengths.astype(np.int64)}
        made = zip(self._made, self._memory(**given), strict=True)
        arrays = given | dict(made)
        past = {name: arrays.pop(name) for name in self._past}
        memory = {name: array for name, array in arrays.items() if name in self._step.inputs}
        return DecoderState(memory, past)

    def score(
        self, tokens: Array, state: DecoderState, parents: Array
    ) -> tuple[Array, DecoderState]:
        """(B, H, U) tokens, a state of (B, H') and (B, H) parents -> (B, H, V), a new state."""
        rows = np.arange(len(parents))[:, None]
        past = {name: array[rows, parents] for name, array in state.past.items()}
        last = np.ascontiguousarray(tokens[:, :, -1])
        log_probs, *new = self._step(tokens=last, **state.memory, **past)
        return log_probs, DecoderState(state.memory, dict(zip(self._past, new, strict=True)))

    def keep(self, state: DecoderState, utterances: Array) -> DecoderState:
        """The state of some of its utterances."""
        memory = {name: array[utterances] for name, array in state.memory.items()}
        past = {name: array[utterances] for name, array in state.past.items()}
        return DecoderState(memory, past)
