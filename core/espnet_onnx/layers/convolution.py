"""The convolution module of Conformer blocks (`espnet...conformer.convolution`).

Shapes: B utterances, T frames, D width, K kernel taps.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .linear import Affine, check_plain

__all__ = ["ConvolutionModule", "DepthwiseConv", "ResidualDepthwiseConv", "pointwise"]


def pointwise(live: nn.Conv1d) -> Affine:
    """A Conv1d of kernel 1 as a linear layer; the weights are a view, not a copy."""
    check_plain(live, nn.Conv1d)
    weight = live.weight.squeeze(2).detach()
    return Affine(weight, live.bias)


class DepthwiseConv(nn.Module):
    """A depthwise Conv1d over frames, optionally with the BatchNorm1d that follows.

    Written as a Conv2d of height 1: onnxruntime has a blocked kernel for four axes only, some
    eight times faster than its one-dimensional depthwise convolution.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv1d, norm: nn.BatchNorm1d | None = None) -> None:
        super().__init__()
        check_plain(conv, nn.Conv1d)
        self.padding = int(conv.padding[0])
        weight = conv.weight.detach()[:, :, None]
        bias = weight.new_zeros(weight.shape[0]) if conv.bias is None else conv.bias.detach()
        if norm is not None:
            gain, offset = _gain_and_offset(norm)
            weight, bias = weight * gain[:, None, None, None], bias * gain + offset
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D), zero on padding -> (B, T, D)."""
        planes = x[:, None].permute(0, 3, 1, 2)
        planes = F.conv2d(
            planes, self.weight, self.bias, padding=(0, self.padding), groups=self.weight.shape[0]
        )
        return planes.permute(0, 2, 3, 1)[:, 0]


class ResidualDepthwiseConv(DepthwiseConv):
    """x + conv(x) as one convolution: the residual is 1 more in every kernel's middle."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__(conv)
        self.weight = self.weight.clone()
        self.weight[..., self.padding] += 1


def _gain_and_offset(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """BatchNorm at inference as y = gain x + offset.

    Args:
        norm: with running statistics; its affine weights may be missing.
    """
    check_plain(norm, nn.BatchNorm1d)
    mean, var = norm.running_mean, norm.running_var
    assert mean is not None and var is not None
    gain = torch.rsqrt(var.double() + norm.eps)
    if norm.weight is not None:
        gain = gain * norm.weight.detach()
    offset = -mean * gain
    if norm.bias is not None:
        offset = offset + norm.bias.detach()
    return gain.to(mean.dtype), offset.to(mean.dtype)


class ConvolutionModule(nn.Module):
    """Pointwise, GLU, depthwise with BatchNorm folded in, activation, pointwise."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.first, self.second = pointwise(live.pointwise_conv1), pointwise(live.pointwise_conv2)
        self.depthwise = DepthwiseConv(live.depthwise_conv, live.norm)
        self.activation = copy.copy(live.activation)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, D) and (B, T, 1), 1 on real frames -> (B, T, D).

        Padding is zeroed before the depthwise convolution, so that an utterance's last frames
        see what they see when it is alone.
        """
        value, gate = self.first(x).chunk(2, -1)
        return self.second(self.activation(self.depthwise(value * torch.sigmoid(gate) * valid)))
