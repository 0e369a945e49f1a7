"""The convolutional gating MLP of Branchformer blocks (`espnet2.asr.layers.cgmlp`).

Shapes: B utterances, T frames, D width, L inner width.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional as F

from .convolution import DepthwiseConv
from .linear import Affine
from .norm import Norm

__all__ = ["GatingMlp", "GatingUnit"]


class GatingUnit(nn.Module):
    """One half of the channels times what a depthwise convolution makes of the other half.

    Mirrors `ConvolutionalSpatialGatingUnit`.
    """

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, valid: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.norm = Norm(live.norm)
        self.linear = None if live.linear is None else Affine.of(live.linear)
        self.activation = copy.copy(live.act)
        self.depthwise = self.convolution(live)

    def convolution(self, live: Any) -> nn.Module:
        """Maps the normed gate, zero on padding, to as many channels, and is called with both."""
        return _Single(live.conv)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, L) and (B, T, 1), 1 on real frames -> (B, T, L/2).

        Padding is zeroed behind the norm, whose bias would reach an utterance's last frames.
        """
        value, gate = x.chunk(2, -1)
        gate = self.depthwise(self.norm(gate) * valid, valid)
        if self.linear is not None:
            gate = self.linear(gate)
        return value * self.activation(gate)


class _Single(nn.Module):
    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.conv = DepthwiseConv(conv)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class GatingMlp(nn.Module):
    """Linear, GELU, gating unit, linear; mirrors `ConvolutionalGatingMLP`."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, valid: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any, unit: type[GatingUnit] = GatingUnit) -> None:
        super().__init__()
        self.first, self.second = Affine.of(live.channel_proj1[0]), Affine.of(live.channel_proj2)
        self.unit = unit(live.csgu)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, D) and (B, T, 1), 1 on real frames -> (B, T, D)."""
        return self.second(self.unit(F.gelu(self.first(x)), valid))
