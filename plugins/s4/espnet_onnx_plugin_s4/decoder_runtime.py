"""Scores the next tokens of hypotheses with an S4 decoder.

Shapes: B utterances, H hypotheses an utterance, P states an utterance carries, U tokens so far
with <sos>, T encoder frames, D width, N real numbers of a state, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["S4Scorer", "S4State"]


@attrs.frozen
class S4State:
    """What the hypotheses of one moment have in common with the next.

    Attributes:
        memory: encoder lengths and cross-attention keys and values, by input name.
        states: `state_<layer>` -> (B, P, D, N), moved on but without the last token.
        inputs: `input_<layer>` -> (B, H, D), what the last token adds to the state.
    """

    memory: Mapping[str, Array]
    states: Mapping[str, Array]
    inputs: Mapping[str, Array]


class S4Scorer:
    """Role `decoder`; see `roles.Scorer`.

    The graph takes a state for every hypothesis, but one an utterance (P = 1) is what ESPnet
    computes: `S4Decoder.batch_score` keeps the first of the states that its search hands it,
    that of the best hypothesis, and continues all hypotheses from there.
    """

    def __init__(self, memory: Session, step: Session) -> None:
        self._memory, self._step = memory, step
        self._memories = [name for name in step.inputs if name.startswith("memory_")]
        self._states = _carried(step, "past_state_")
        self._inputs = _carried(step, "past_input_")

    def start(self, encoder_out: Array, lengths: Array) -> S4State:
        """State of the empty hypothesis: (B, T, D) and lengths (B,)."""
        memory = dict(zip(self._memories, self._memory(encoder_out=encoder_out), strict=True))
        memory["encoder_out_lengths"] = lengths.astype(np.int64)
        batch = len(encoder_out)
        return S4State(memory, _silence(batch, self._states), _silence(batch, self._inputs))

    def score(self, tokens: Array, state: S4State, parents: Array) -> tuple[Array, S4State]:
        """(B, H, U) tokens, a state of (B, H') and (B, H) parents -> (B, H, V), a new state."""
        last = np.ascontiguousarray(tokens[:, :, -1])
        best = parents[:, :1, None]
        inputs = {n: np.take_along_axis(x, best, axis=1) for n, x in state.inputs.items()}
        past = {f"past_{name}": x for name, x in {**state.states, **inputs}.items()}
        feed = {"tokens": last, "sources": np.zeros_like(last), **state.memory, **past}
        log_probs, *new = self._step(**feed)
        middle = len(self._states)
        states = dict(zip(self._states, new[:middle], strict=True))
        inputs = dict(zip(self._inputs, new[middle:], strict=True))
        return log_probs, S4State(state.memory, states, inputs)

    def keep(self, state: S4State, utterances: Array) -> S4State:
        """The state of some of its utterances."""
        memory, states, inputs = (
            {name: array[utterances] for name, array in arrays.items()}
            for arrays in (state.memory, state.states, state.inputs)
        )
        return S4State(memory, states, inputs)


def _carried(step: Session, prefix: str) -> dict[str, tuple[int, ...]]:
    """Output name -> the fixed sizes behind (B, P) of the input that carries it on."""
    names = [name for name in step.inputs if name.startswith(prefix)]
    return {n.removeprefix("past_"): tuple(map(int, step.inputs[n][2:])) for n in names}


def _silence(batch: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    return {name: np.zeros((batch, 1, *shape), np.float32) for name, shape in shapes.items()}
