"""The graph of a recurrent language model (needs torch).

Shapes: B utterances, H hypotheses an utterance, L layers, D width of a state, E width of an
embedding, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.cached_attention import Affine
from espnet_onnx.types import Feed

__all__ = ["SeqRnnReference", "SeqRnnStep", "seq_rnn_graphs"]

TRIALS = ((4, 2, 3), (1,), (6, 5))


class _Product(nn.Module):
    """x @ weight^T + bias with the weight kept (in, out), as int8 wants it."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().t().contiguous(), persistent=False)
        self.register_buffer("bias", bias.detach(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


class _Gates(nn.Module):
    """W_ih x + b_ih + W_hh h + b_hh of one layer, in one product over [x; h]."""

    def __init__(self, rnn: Any, layer: int) -> None:
        super().__init__()
        w_ih, w_hh, b_ih, b_hh = _weights(rnn, layer)
        self.product = _Product(torch.cat([w_ih, w_hh], 1), b_ih + b_hh)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        gates: Tensor = self.product(torch.cat([x, h], -1))
        return gates


class _Lstm(nn.Module):
    """One step of `nn.LSTM`; PyTorch orders the gates i, f, g, o."""

    def __init__(self, rnn: Any, layer: int) -> None:
        super().__init__()
        self.gates = _Gates(rnn, layer)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = self.gates(x, h).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


class _Gru(nn.Module):
    """One step of `nn.GRU`; the reset gate multiplies what the state adds, bias included."""

    def __init__(self, rnn: Any, layer: int) -> None:
        super().__init__()
        w_ih, w_hh, b_ih, b_hh = _weights(rnn, layer)
        self.of_input, self.of_state = _Product(w_ih, b_ih), _Product(w_hh, b_hh)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        x_r, x_z, x_n = self.of_input(x).chunk(3, -1)
        h_r, h_z, h_n = self.of_state(h).chunk(3, -1)
        new = (x_n + (x_r + h_r).sigmoid() * h_n).tanh()
        return (new + (x_z + h_z).sigmoid() * (h - new),)


class _Elman(nn.Module):
    """One step of `nn.RNN`."""

    def __init__(self, rnn: Any, layer: int) -> None:
        super().__init__()
        self.gates = _Gates(rnn, layer)
        self.activation: Callable[[Tensor], Tensor] = {"tanh": torch.tanh, "relu": torch.relu}[
            rnn.nonlinearity
        ]

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        return (self.activation(self.gates(x, h)),)


_CELLS: Mapping[type[nn.Module], type[nn.Module]] = {
    nn.LSTM: _Lstm,
    nn.GRU: _Gru,
    nn.RNN: _Elman,
}


class SeqRnnStep(nn.Module):
    """`SequentialRNNLM.batch_score` for the last token of every hypothesis.

    Args:
        lm: a live `SequentialRNNLM`.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
    """

    def __init__(self, lm: Any) -> None:
        super().__init__()
        self.embed = lm.encoder
        cell = _CELLS[type(lm.rnn)]
        self.cells = nn.ModuleList(cell(lm.rnn, layer) for layer in range(lm.nlayers))
        self.output_layer = Affine(lm.decoder)
        self.input_names = ["tokens", *_states(lm)]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One step.

        Args:
            tensors: tokens (B, H); hidden states (B, H, L, D) and, of an LSTM, cells likewise.

        Returns:
            log_probs (B, H, V), and the new states.
        """
        tokens, *states = tensors
        x = self.embed(tokens)
        layers = []
        for layer, cell in enumerate(self.cells):
            new = cell(x, *(state[:, :, layer] for state in states))
            x = new[0]
            layers.append(new)
        log_probs = torch.log_softmax(self.output_layer(x), -1)
        return (log_probs, *(torch.stack(state, 2) for state in zip(*layers, strict=True)))


class SeqRnnReference:
    """Feeds and reference of the graph `step`, through the untouched language model."""

    def __init__(self, lm: Any) -> None:
        self._lm = lm

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random tokens and states of as many hypotheses as the longest length says."""
        rng = np.random.default_rng(sum(lengths))
        lm, shape = self._lm, (len(lengths), max(lengths))
        size = (*shape, lm.nlayers, lm.nhid)
        return {
            "tokens": rng.integers(0, lm.encoder.num_embeddings, shape),
            **{name: np.tanh(rng.normal(size=size)).astype(np.float32) for name in _states(lm)},
        }

    def __call__(self, feed: Feed) -> Feed:
        """`SequentialRNNLM.batch_score` of one utterance's hypotheses."""
        names = _states(self._lm)
        tensors = [torch.from_numpy(feed[name][0]) for name in names]
        states = list(zip(*tensors, strict=True)) if len(names) > 1 else list(tensors[0])
        with torch.no_grad():
            log_probs, new = self._lm.batch_score(
                torch.from_numpy(feed["tokens"][0])[:, None], states, None
            )
        out = {"log_probs": log_probs[None].numpy()}
        for i, name in enumerate(names):
            parts = [state[i] if len(names) > 1 else state for state in new]
            out[f"new_{name}"] = torch.stack(parts)[None].numpy()
        return out


def seq_rnn_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The graph `step` of a live `SequentialRNNLM`."""
    lm = component.module
    reference, states = SeqRnnReference(lm), _states(lm)
    outputs = [f"new_{name}" for name in states]
    state = ("batch", "beams", None, None)
    step = eo.Graph(
        SeqRnnStep(lm).eval(),
        outputs=["log_probs", *outputs],
        axes={
            "tokens": ("batch", "beams"),
            "log_probs": ("batch", "beams", None),
            **dict.fromkeys([*states, *outputs], state),
        },
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
    )
    return {"step": step}


def _states(lm: Any) -> tuple[str, ...]:
    return ("hidden", "cell") if isinstance(lm.rnn, nn.LSTM) else ("hidden",)


def _weights(rnn: Any, layer: int) -> tuple[Tensor, ...]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return tuple(getattr(rnn, f"{name}_l{layer}").detach() for name in names)
