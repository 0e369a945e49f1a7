"""A small random transducer, live, behind the roles that a search knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from espnet2.asr.decoder.transducer_decoder import TransducerDecoder
from espnet2.asr_transducer.joint_network import JointNetwork

from espnet_onnx.roles import Encoded
from espnet_onnx.types import Array
from espnet_onnx_plugin_conformer_transducer.prediction_export import PredictionStep

__all__ = ["LanguageModel", "Networks", "T", "V", "encoded", "networks"]

# Frames, encoder width, units, joint width, tokens.
T, D, P, J, V = 14, 8, 16, 12, 11


class Networks:
    """`roles.Prediction` over live modules."""

    def __init__(self, decoder: Any, joint: Any) -> None:
        self.decoder, self.joint_network = decoder, joint
        self._step = PredictionStep(decoder, joint).eval()
        self.calls = 0

    def project(self, encoder_out: Array) -> Array:
        projected: Array = self.joint_network.lin_enc(torch.from_numpy(encoder_out)).numpy()
        return projected

    def start(self) -> tuple[Array, ...]:
        return tuple(np.zeros((1, P), np.float32) for _ in self._step.states)

    def step(
        self, frames: Array, tokens: Array, states: Sequence[Array]
    ) -> tuple[Array, Array, tuple[Array, ...]]:
        self.calls += 1
        log_probs, outputs, *new = self._step(*map(torch.from_numpy, (frames, tokens, *states)))
        return log_probs.numpy(), outputs.numpy(), tuple(state.numpy() for state in new)

    def joint(self, frames: Array, outputs: Array) -> Array:
        self.calls += 1
        both = torch.from_numpy(frames), torch.from_numpy(outputs)
        log_probs: Array = self._step.joint(*both).numpy()
        return log_probs


class LanguageModel:
    """`roles.Scorer` over a live recurrent model, one hypothesis at a time."""

    def __init__(self, lm: Any) -> None:
        self.live = lm

    def start(self, encoder_out: Array, lengths: Array) -> Any:
        return None

    def score(self, tokens: Array, state: Any, parents: Array) -> tuple[Array, Any]:
        log_probs, new = self.live.score(torch.from_numpy(tokens[0, 0]), state, None)
        return log_probs.numpy()[None, None], new


def networks(seed: int, rnn_type: str = "lstm") -> Networks:
    torch.manual_seed(seed)
    decoder = TransducerDecoder(V, rnn_type=rnn_type, num_layers=2, hidden_size=P).eval()
    joint = JointNetwork(V, D, P, J).eval()
    # Sharper than random weights are, so that beams part; without blanks a search would not end.
    joint.lin_out.weight *= 4
    joint.lin_out.bias[0] += 4
    return Networks(decoder, joint)


def encoded(seed: int, lengths: Sequence[int] = (T,)) -> Encoded:
    rng = np.random.default_rng(seed)
    out = rng.normal(size=(len(lengths), max(lengths), D)).astype(np.float32)
    return Encoded(2 * out, np.array(lengths, np.int64))
