"""The gating unit with several kernels (`espnet2.asr.layers.multiconv_cgmlp`).

Shapes: B utterances, T frames, C channels of the gate, K kernels,
G channels of a group.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from .cgmlp import GatingUnit
from .convolution import DepthwiseConv, ResidualDepthwiseConv
from .linear import Affine

__all__ = ["GroupedConv", "MultiGatingUnit"]


class MultiGatingUnit(GatingUnit):
    """A `GatingUnit` over `MultiConvolutionalSpatialGatingUnit`."""

    def convolution(self, live: Any) -> nn.Module:
        """The mixture of kernels that `arch_type` names."""
        module: nn.Module = MIXTURES[live.arch_type](live)
        return module


class GroupedConv(DepthwiseConv):
    """A Conv1d of which every group makes one channel of G: depthwise, then sums of neighbours.

    In onnxruntime less than half the time of a convolution with groups that are wider than one.
    """

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__(conv)
        self.group = self.weight.shape[1]
        # The sum must meet each output's bias once.
        spread = self.bias.new_zeros(len(self.bias), self.group)
        spread[:, 0] = self.bias
        self.bias, self.weight = spread.flatten(), self.weight.flatten(0, 1)[:, None]

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C), zero on padding -> (B, T, C / G)."""
        return super().forward(x).unflatten(-1, (-1, self.group)).sum(-1)


class _Mixture(nn.Module):
    def __init__(self, live: Any, conv: type[DepthwiseConv] = DepthwiseConv) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(kernel) for kernel in live.convs)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, C), zero on padding, and (B, T, 1), 1 on real frames -> (B, T, C)."""
        return self.mix([conv(x) for conv in self.convs], valid)

    def mix(self, outs: list[Tensor], valid: Tensor) -> Tensor:
        """One of K."""
        raise NotImplementedError


class _Sum(_Mixture):
    def __init__(self, live: Any) -> None:
        super().__init__(live)
        self.activation = copy.copy(live.model_act) if live.use_non_linear else nn.Identity()

    def mix(self, outs: list[Tensor], valid: Tensor) -> Tensor:
        total = self.activation(outs[0])
        for out in outs[1:]:
            total = total + self.activation(out)
        return total


class _WeightedSum(_Mixture):
    def __init__(self, live: Any) -> None:
        super().__init__(live)
        self.gates = Affine.of(live.kernel_prob_gen[0])

    def mix(self, outs: list[Tensor], valid: Tensor) -> Tensor:
        share = torch.softmax(self.gates(torch.cat(outs, -1)), -1)
        total = share[..., :1] * outs[0]
        for k, out in enumerate(outs[1:], 1):
            total = total + share[..., k : k + 1] * out
        return total


class _Concat(_Mixture):
    """Every kernel makes C / K channels, each of K neighbouring ones."""

    def __init__(self, live: Any) -> None:
        super().__init__(live, GroupedConv)

    def mix(self, outs: list[Tensor], valid: Tensor) -> Tensor:
        return torch.cat(outs, -1)


class _ConcatFusion(_Concat):
    def __init__(self, live: Any) -> None:
        super().__init__(live)
        self.fusion = ResidualDepthwiseConv(live.depthwise_conv_fusion)

    def mix(self, outs: list[Tensor], valid: Tensor) -> Tensor:
        fused: Tensor = self.fusion(super().mix(outs, valid) * valid)
        return fused


MIXTURES: dict[str, type[_Mixture]] = {
    "sum": _Sum,
    "weighted_sum": _WeightedSum,
    "concat": _Concat,
    "concat_fusion": _ConcatFusion,
}
