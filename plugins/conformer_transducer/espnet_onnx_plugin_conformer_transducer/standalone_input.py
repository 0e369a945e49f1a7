"""The input block of the standalone task's encoder (needs torch).

Shapes: B utterances, T frames, F frequencies, C channels, D width.
"""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.linear import Affine, check_plain
from espnet_onnx.layers.masks import valid_frames
from espnet_onnx.layers.subsampling import Conv2dSubsampling
from espnet_onnx.layers.windows import conv_length

__all__ = ["conv_input"]


def conv_input(live: Any) -> nn.Module:
    """The export-friendly form of a `ConvInput`: (B, T, F) and (B,) -> (B, T', D) and (B,)."""
    convs = [layer for layer in live.conv if isinstance(layer, nn.Conv2d)]
    if live.vgg_like:
        return _Vgg(live, convs)
    return _Plain(live, convs) if live.output is None else Conv2dSubsampling(convs, live.output)


class _Conv(nn.Module):
    """A Conv2d and a ReLU over weights that somebody else owns."""

    def __init__(self, live: nn.Conv2d) -> None:
        super().__init__()
        check_plain(live, nn.Conv2d)
        self.weight, self.bias = live.weight, live.bias
        self.stride, self.padding = live.stride, int(live.padding[0])

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(F.conv2d(x, self.weight, self.bias, self.stride, self.padding))


class _Plain(nn.Module):
    """Convolutions alone, as they stand before a `conv1d` block."""

    def __init__(self, live: Any, convs: list[nn.Conv2d]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_Conv(conv) for conv in convs)
        self.steps = [(conv.kernel_size[0], conv.stride[0]) for conv in convs]

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x = x[:, None]
        for conv in self.convs:
            x = conv(x)
        for kernel, stride in self.steps:
            lengths = conv_length(lengths, kernel, stride)
        return x.transpose(1, 2).flatten(2), lengths.clamp(min=0)


class _Vgg(nn.Module):
    """Twice two convolutions and a pooling, `vgg_like`.

    The first of two pads with zeros and a pooling takes in what stands behind the end, so padding
    is made zero before each: behind a ReLU a maximum does not see zeros.
    """

    def __init__(self, live: Any, convs: list[nn.Conv2d]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_Conv(conv) for conv in convs)
        pools = [layer for layer in live.conv if isinstance(layer, nn.MaxPool2d)]
        # ESPnet's pools are as high as wide: their size is one number.
        self.kernels = [int(cast(int, pool.kernel_size)) for pool in pools]
        self.output = None if live.output is None else Affine.of(live.output)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x = x[:, None]
        for stage, kernel in enumerate(self.kernels):
            x = self.convs[2 * stage](_valid(x, lengths))
            x = self.convs[2 * stage + 1](x)
            lengths = (lengths - 2).clamp(min=0)
            x, lengths = _pooled(_valid(x, lengths), kernel), conv_length(lengths + 1, kernel, 2)
        x = x.transpose(1, 2).flatten(2)
        return (x if self.output is None else self.output(x)), lengths.clamp(min=0)


def _valid(x: Tensor, lengths: Tensor) -> Tensor:
    """(B, C, T, F) with zeros behind the ends."""
    return x * valid_frames(lengths, x.shape[2])[:, None, :, None]


def _pooled(x: Tensor, kernel: int) -> Tensor:
    """`MaxPool2d(kernel, stride=2, ceil_mode=True)` of what is nowhere negative."""
    return F.max_pool2d(F.pad(x, (0, 1, 0, 1)), kernel, 2)
