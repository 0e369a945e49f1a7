"""Strided convolutions of groups over the waveform, channels first.

Shapes: B utterances, S samples, C channels, T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.masks import valid_frames
from espnet_onnx.layers.norm import Norm
from espnet_onnx.layers.windows import conv_length

__all__ = ["DepthwiseStack", "standardised"]


class DepthwiseStack(nn.Module):
    """`ConvLayerBlock` after `ConvLayerBlock` of `espnet2.asr.frontend.cnn`, conv_mode depth_only.

    Depthwise convolutions gain nothing from becoming matrix products.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(layer) for layer in layers)

    def forward(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """(B, S), (B,) -> (B, T, C), undefined behind each utterance."""
        x = speech[:, None]
        for layer in self.layers:
            x, lengths = layer(x, lengths)
        return x.transpose(1, 2)


class _Layer(nn.Module):
    def __init__(self, live: Any) -> None:
        super().__init__()
        self.conv = live.conv
        self.kernel, self.stride = int(live.kernel_size), int(live.stride)
        norm = live.layer_norm
        self.over_time = norm if isinstance(norm, nn.GroupNorm) else None
        self.over_channels = None if norm is None or self.over_time is not None else Norm(norm)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, T), (B,) -> (B, C', T'), (B,)."""
        x = self.conv(x)
        lengths = conv_length(lengths, self.kernel, self.stride)
        if self.over_time is not None:
            x = standardised(x, lengths, self.over_time.eps)
            x = x * self.over_time.weight[:, None] + self.over_time.bias[:, None]
        if self.over_channels is not None:
            x = self.over_channels(x.transpose(1, 2)).transpose(1, 2)
        return F.gelu(x), lengths


def standardised(x: Tensor, lengths: Tensor, eps: float) -> Tensor:
    """(B, C, T) with zero mean and unit variance of every channel over its valid frames."""
    valid = valid_frames(lengths, x.shape[2])[:, None]
    count = lengths[:, None, None].to(x.dtype)
    mean = torch.where(valid, x, torch.zeros(())).sum(2, keepdim=True) / count
    centred = torch.where(valid, x - mean, torch.zeros(()))
    variance = (centred * centred).sum(2, keepdim=True) / count
    return centred * torch.rsqrt(variance + eps)
