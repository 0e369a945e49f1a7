"""Position-wise layers of a block: linear, or convolutions over neighbouring frames.

Mirrors `PositionwiseFeedForward`, `MultiLayeredConv1d` and `Conv1dLinear`.
Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from .linear import Affine
from .windows import TimeConv

__all__ = ["FeedForward"]


class FeedForward(nn.Module):
    """w_2(activation(w_1(x))), each a linear layer or a convolution over frames."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.first, self.second = _layer(live.w_1), _layer(live.w_2)
        # The convolutional kinds have ReLU built in.
        self.activation = copy.copy(getattr(live, "activation", None)) or nn.ReLU()

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, D) and (B, T, 1), 1 on real frames -> (B, T, D)."""
        return _apply(self.second, self.activation(_apply(self.first, x, valid)), valid)


def _layer(live: nn.Module) -> Affine | TimeConv:
    return TimeConv(live) if isinstance(live, nn.Conv1d) else Affine.of(live)


def _apply(layer: nn.Module, x: Tensor, valid: Tensor) -> Tensor:
    # Only a kernel wider than one frame can see padding.
    wide = isinstance(layer, TimeConv) and layer.kernel > 1
    out: Tensor = layer(x * valid if wide else x)
    return out
