"""One step of a recurrent layer (needs torch).

Shapes: ... any leading axes, D input width, H units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from .linear import Affine, check_plain

__all__ = ["GRUStep", "LSTMStep", "step_of"]


class LSTMStep(nn.Module):
    """`nn.LSTMCell` as one matrix product over the input and the last output side by side.

    Also an `nn.LSTM` of one layer and one direction, of which a cell is one step.

    Attributes:
        states: names of what goes from step to step.
        units: H.
    """

    states = ("z", "c")

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.units = int(live.hidden_size)
        (w_ih, b_ih), (w_hh, b_hh) = _weights(live, nn.LSTMCell, nn.LSTM)
        bias = None if b_ih is None or b_hh is None else (b_ih + b_hh).detach()
        self.gates = Affine(torch.cat([w_ih, w_hh], 1).detach(), bias)

    def forward(self, x: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(..., D) and (output, cell), (..., H) each -> the same of this step."""
        output, cell = state
        i, f, g, o = self.gates(torch.cat([x, output], -1)).chunk(4, -1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(cell), cell


class GRUStep(nn.Module):
    """`nn.GRUCell`, or an `nn.GRU` of one layer; `states` and `units` as in `LSTMStep`."""

    states = ("z",)

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.units = int(live.hidden_size)
        of_input, of_output = _weights(live, nn.GRUCell, nn.GRU)
        self.input, self.recurrence = Affine(*of_input), Affine(*of_output)

    def forward(self, x: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(..., D) and (output,), (..., H) -> the same of this step."""
        (output,) = state
        xr, xz, xn = self.input(x).chunk(3, -1)
        hr, hz, hn = self.recurrence(output).chunk(3, -1)
        update = torch.sigmoid(xz + hz)
        new = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
        return ((1 - update) * new + update * output,)


def step_of(live: nn.Module) -> LSTMStep | GRUStep:
    """The step of a live cell, or of a live `nn.LSTM` or `nn.GRU` of one layer.

    Raises:
        ModelError: it is something else.
    """
    return LSTMStep(live) if isinstance(live, nn.LSTMCell | nn.LSTM) else GRUStep(live)


def _weights(
    live: Any, cell: type[nn.Module], layer: type[nn.RNNBase]
) -> tuple[tuple[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]:
    """Weight and bias for the input, and for the last output."""
    if isinstance(live, nn.RNNBase):
        check_plain(live, layer)
        if live.num_layers > 1 or live.bidirectional:
            raise ModelError(f"{layer.__name__} of several layers or directions is no single step")
        end = "_l0"
    else:
        check_plain(live, cell)
        end = ""
    found = {name: getattr(live, f"{name}{end}", None) for name in ("bias_ih", "bias_hh")}
    weight_ih, weight_hh = getattr(live, f"weight_ih{end}"), getattr(live, f"weight_hh{end}")
    return (weight_ih, found["bias_ih"]), (weight_hh, found["bias_hh"])
