"""Recurrent layers over ragged batches, as the ONNX operators LSTM and GRU.

Shapes: B utterances, T frames, D width, H units, R directions (1 or 2).

The operators take every utterance's length: its backward direction starts at its own last frame,
and padding gives zeros. That is what torch does with a packed sequence, which no exporter knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from .linear import check_plain

__all__ = ["Recurrent"]

# Where torch keeps the gates that ONNX wants first, second, ...: torch has i, f, c, o and
# r, z, n, ONNX i, o, f, c and z, r, h.
_GATES = {nn.LSTM: (0, 3, 1, 2), nn.GRU: (1, 0, 2)}


class Recurrent(nn.Module):
    """An `nn.LSTM` or `nn.GRU` (batch first) of any depth, in one direction or two.

    It computes only inside an exported graph: called eagerly it gives zeros.
    """

    def __init__(self, live: nn.LSTM | nn.GRU) -> None:
        """Raises ModelError where `live` is a subclass, or an LSTM with `proj_size`."""
        super().__init__()
        kind = nn.LSTM if isinstance(live, nn.LSTM) else nn.GRU
        check_plain(live, kind)
        if live.proj_size:
            raise ModelError(
                "LSTM with proj_size: the ONNX operator has no projection; use a linear layer"
            )
        layers = [_Layer(live, layer, _GATES[kind]) for layer in range(live.num_layers)]
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, D) and lengths (B,) -> (B, T, R H), zero behind an utterance's end."""
        sizes = lengths.to(torch.int32)
        x = x.transpose(0, 1)
        for layer in self.layers:
            x = layer(x, sizes)
        return x.transpose(0, 1)


class _Layer(nn.Module):
    """One layer: ONNX's weights (R, gates H, D), (R, gates H, H) and biases (R, 2 gates H)."""

    weight: Tensor
    recurrence: Tensor
    bias: Tensor

    def __init__(self, live: nn.LSTM | nn.GRU, layer: int, order: Sequence[int]) -> None:
        super().__init__()
        suffixes = [f"_l{layer}", f"_l{layer}_reverse"][: 2 if live.bidirectional else 1]
        self.operator = type(live).__name__
        self.units = live.hidden_size

        def weights(name: str) -> Tensor:
            both = (getattr(live, name + suffix).detach() for suffix in suffixes)
            return torch.stack([_reordered(tensor, order) for tensor in both])

        self.register_buffer("weight", weights("weight_ih"), persistent=False)
        self.register_buffer("recurrence", weights("weight_hh"), persistent=False)
        bias = (
            torch.cat([weights("bias_ih"), weights("bias_hh")], 1)
            if live.bias
            else self.weight.new_zeros(len(suffixes), 2 * self.weight.shape[1])
        )
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(T, B, D) and int32 lengths -> (T, B, R H)."""
        directions = len(self.weight)
        attributes: dict[str, Any] = {
            "hidden_size": self.units,
            "direction": "forward" if directions == 1 else "bidirectional",
        }
        if self.operator == "GRU":
            attributes["linear_before_reset"] = 1
        out = torch.onnx.ops.symbolic(
            self.operator,
            (x, self.weight, self.recurrence, self.bias, lengths),
            attributes,
            dtype=x.dtype,
            shape=(x.shape[0], directions, x.shape[1], self.units),
        )
        return out.transpose(1, 2).flatten(2)


def _reordered(tensor: Tensor, order: Sequence[int]) -> Tensor:
    gates = tensor.chunk(len(order))
    return torch.cat([gates[i] for i in order])
