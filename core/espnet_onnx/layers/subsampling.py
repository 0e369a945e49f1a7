"""Convolutional subsampling of features (`espnet...transformer.subsampling`).

Shapes: B utterances, T frames, F frequencies, C channels, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from .linear import Affine, check_plain
from .windows import TimeConv, conv_length

__all__ = ["Conv1dSubsampling", "Conv2dSubsampling", "parts", "subsampling"]


def parts(live: Any) -> tuple[list[Any], Any, Any]:
    """Convolutions, output layer and positional encoding of an ESPnet subsampling module.

    ESPnet 202511 keeps the last two in a Sequential called `out`, 202611 apart.
    """
    convs = [m for m in live.conv if isinstance(m, nn.Conv1d | nn.Conv2d)]
    if isinstance(live.out, nn.Sequential):
        return convs, live.out[0], live.out[1]
    return convs, live.out, live.pos_enc


def subsampling(live: Any) -> Conv1dSubsampling | Conv2dSubsampling:
    """The export-friendly form of any ESPnet `Conv1dSubsampling*` or `Conv2dSubsampling*`."""
    convs, out, _ = parts(live)
    if isinstance(convs[0], nn.Conv1d):
        return Conv1dSubsampling(convs, out)
    return Conv2dSubsampling(convs, out)


class Conv1dSubsampling(nn.Module):
    """Conv1d layers with ReLU, then a linear layer; everything is a matrix product."""

    def __init__(self, convs: Sequence[Any], out: Any) -> None:
        super().__init__()
        self.convs = nn.ModuleList(TimeConv(conv) for conv in convs)
        self.steps = _steps(convs)
        self.out = Affine.of(out)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) features and lengths (B,) -> (B, T', D) and lengths."""
        for conv in self.convs:
            x = F.relu(conv(x))
        return self.out(x), _out_lengths(lengths, self.steps)


class Conv2dSubsampling(nn.Module):
    """Conv2d layers with ReLU over the feature plane, then a linear layer.

    The convolutions stay Conv nodes, in fp32 faster than their matrix form. The linear layer's
    columns are reordered from (C, F) to (F, C), which is how onnxruntime's blocked convolution
    hands its result over without a transposition of our own.
    """

    def __init__(self, convs: Sequence[Any], out: Any) -> None:
        super().__init__()
        for conv in convs:
            check_plain(conv, nn.Conv2d)
        check_plain(out, nn.Linear)
        self.convs = nn.ModuleList(_SharedConv2d(conv) for conv in convs)
        self.steps = _steps(convs)
        channels = convs[-1].out_channels
        weight = out.weight.detach().unflatten(1, (channels, -1)).transpose(1, 2).flatten(1)
        self.out = Affine(weight, out.bias)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) features and lengths (B,) -> (B, T', D) and lengths."""
        x = x[:, None]
        for conv in self.convs:
            x = F.relu(conv(x))
        x = x.permute(0, 2, 3, 1).flatten(2)
        return self.out(x), _out_lengths(lengths, self.steps)


class _SharedConv2d(nn.Module):
    def __init__(self, live: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias, self.stride = live.weight, live.bias, live.stride

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride)


def _steps(convs: Sequence[Any]) -> list[tuple[int, int]]:
    """Kernel and stride of every convolution along time."""
    return [(conv.kernel_size[0], conv.stride[0]) for conv in convs]


def _out_lengths(lengths: Tensor, steps: Sequence[tuple[int, int]]) -> Tensor:
    """Equal to ESPnet's mask slices (202511) and `_subsample_mask` (202611) of one utterance."""
    for kernel, stride in steps:
        lengths = conv_length(lengths, kernel, stride)
    return lengths.clamp(min=0)
