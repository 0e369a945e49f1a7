"""One step of a recurrent layer (needs torch).

Shapes: ... any leading axes, D input width, H units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .linear import Affine, check_plain

__all__ = ["GRUStep", "LSTMStep", "step_of"]


class LSTMStep(nn.Module):
    """`nn.LSTMCell` as one matrix product over the input and the last output side by side.

    Attributes:
        states: names of what goes from step to step.
        units: H.
    """

    states = ("z", "c")

    def __init__(self, live: Any) -> None:
        super().__init__()
        check_plain(live, nn.LSTMCell)
        self.units = int(live.hidden_size)
        weight = torch.cat([live.weight_ih, live.weight_hh], 1).detach()
        bias = (live.bias_ih + live.bias_hh).detach() if live.bias else None
        self.gates = Affine(weight, bias)

    def forward(self, x: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(..., D) and (output, cell), (..., H) each -> the same of this step."""
        output, cell = state
        i, f, g, o = self.gates(torch.cat([x, output], -1)).chunk(4, -1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(cell), cell


class GRUStep(nn.Module):
    """`nn.GRUCell`; `states` and `units` as in `LSTMStep`."""

    states = ("z",)

    def __init__(self, live: Any) -> None:
        super().__init__()
        check_plain(live, nn.GRUCell)
        self.units = int(live.hidden_size)
        self.input = Affine(live.weight_ih, live.bias_ih if live.bias else None)
        self.recurrence = Affine(live.weight_hh, live.bias_hh if live.bias else None)

    def forward(self, x: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(..., D) and (output,), (..., H) -> the same of this step."""
        (output,) = state
        xr, xz, xn = self.input(x).chunk(3, -1)
        hr, hz, hn = self.recurrence(output).chunk(3, -1)
        update = torch.sigmoid(xz + hz)
        new = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
        return ((1 - update) * new + update * output,)


def step_of(live: nn.Module) -> LSTMStep | GRUStep:
    """The step of a live `nn.LSTMCell` or `nn.GRUCell`."""
    return LSTMStep(live) if isinstance(live, nn.LSTMCell) else GRUStep(live)
