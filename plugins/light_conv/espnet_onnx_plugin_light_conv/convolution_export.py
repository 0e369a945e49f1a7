"""Lightweight and dynamic convolutions over a sequence of one token (needs torch).

ESPnet's `DecoderLayer` hands its self-attention the last position as query and the others as key
and value, which these convolutions do not read. In a search they so see one token between zeros.
Shapes: R rows, D channels, G kernels shared by the channels (`wshare`), J taps of a kernel.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.cached_attention import Affine

__all__ = ["OneTokenConvolution"]


class OneTokenConvolution(nn.Module):
    """`forward` of {Lightweight,Dynamic}Convolution[2D] for a query of one position.

    Only the tap that meets the token matters. Whatever does not depend on the token becomes part
    of the last linear layer, which for all but `DynamicConvolution2D` leaves linear, GLU, linear.

    Args:
        live: a live convolution, as decoders have it (`use_kernel_mask`).
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        width = live.linear1.in_features
        weight, bias = live.linear2.weight.detach(), live.linear2.bias.detach()
        # The 2-D kinds put what they found along time before what they found along channels.
        along_time, along_channels = weight.split([width, weight.shape[1] - width], 1)
        if live.use_bias:
            bias = bias + along_time @ live.bias.detach()
        if hasattr(live, "weight"):
            along_time = along_time * _own_tap(live, width)
        if hasattr(live, "weight_f"):
            along_time = along_time + along_channels @ _band(live, width)
        dynamic = hasattr(live, "linear_weight_f")
        self.along_channels = _ChannelConvolution(live) if dynamic else None
        weight = torch.cat([along_time, along_channels], 1) if dynamic else along_time
        self.first = Affine(live.linear1)
        self.last = Affine(SimpleNamespace(weight=weight, bias=bias))

    def forward(self, x: Tensor) -> Tensor:
        """(R, D) -> (R, D)."""
        x = F.glu(self.first(x), -1)
        if self.along_channels is not None:
            x = torch.cat([x, self.along_channels(x)], -1)
        y: Tensor = self.last(x)
        return y


class _ChannelConvolution(nn.Module):
    """The convolution of `DynamicConvolution2D` along channels, its kernel made of the token."""

    neighbours: Tensor

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.kernel = Affine(live.linear_weight_f)
        self.padding = live.padding_size
        channels = torch.arange(live.linear_weight_f.in_features)
        neighbours = channels[:, None] + torch.arange(live.kernel_size)
        self.register_buffer("neighbours", neighbours, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(R, D) -> (R, D)."""
        windows = F.pad(x, (self.padding, self.padding))[:, self.neighbours]
        y: Tensor = windows @ self.kernel(x)[:, :, None]
        return y.squeeze(-1)


def _own_tap(live: Any, width: int) -> Tensor:
    """What a lightweight convolution multiplies each channel of the token by: (D,)."""
    weight: Tensor = live.weight.detach()
    if live.use_kernel_mask:
        weight = weight.masked_fill(live.kernel_mask.to(weight.device) == 0, float("-inf"))
    taps = weight.softmax(-1)[:, 0, live.padding_size]
    # `view(-1, wshare, T)` deals the kernels out to neighbouring channels in turn.
    return taps.repeat(width // live.wshare)


def _band(live: Any, width: int) -> Tensor:
    """The convolution of `LightweightConvolution2D` along channels, as a matrix (D, D)."""
    taps: Tensor = live.weight_f.detach().softmax(-1).flatten()
    band = taps.new_zeros(width, width)
    for tap, offset in zip(taps, range(-live.padding_size, live.padding_size + 1), strict=True):
        if abs(offset) < width:
            band.diagonal(offset).add_(tap)
    return band
