"""Runs a prediction network with its joint network; see `roles.Prediction`.

Shapes: B utterances, T frames, D encoder width, N pairs, J joint width, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import espnet_onnx as eo
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["RecurrentPrediction", "build"]

_PAST = "past_"


class RecurrentPrediction:
    """Role `prediction`."""

    def __init__(self, project: Session, step: Session, joint: Session) -> None:
        self._project, self._step, self._joint = project, step, joint
        self._past = [name for name in step.inputs if name.startswith(_PAST)]

    def project(self, encoder_out: Array) -> Array:
        """(B, T, D) -> (B, T, J)."""
        return self._project(encoder_out=encoder_out)[0]

    def start(self) -> tuple[Array, ...]:
        """`TransducerDecoder.init_state`: zeros."""
        sizes = (self._step.inputs[name][-1] for name in self._past)
        return tuple(np.zeros((1, int(size)), np.float32) for size in sizes)

    def step(
        self, frames: Array, tokens: Array, states: Sequence[Array]
    ) -> tuple[Array, Array, tuple[Array, ...]]:
        """(N, J), (N,) and states -> (N, V), (N, J) and new states."""
        past = dict(zip(self._past, states, strict=True))
        log_probs, outputs, *new = self._step(frames=frames, tokens=tokens, **past)
        return log_probs, outputs, tuple(new)

    def joint(self, frames: Array, outputs: Array) -> Array:
        """(N, J) twice -> (N, V)."""
        return self._joint(frames=frames, outputs=outputs)[0]


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> RecurrentPrediction:
    """The network of a node."""
    return RecurrentPrediction(*(open_session(name) for name in ("project", "step", "joint")))
