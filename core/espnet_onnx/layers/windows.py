"""Convolutions over time as one matrix product, so that int8 and weight-only formats apply.

Shapes: B utterances, T frames, D width, K kernel taps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .linear import Affine, check_plain

__all__ = ["TimeConv", "conv_length"]

Length = TypeVar("Length", int, Tensor)


def conv_length(length: Length, kernel: int, stride: int) -> Length:
    """Frames after an unpadded convolution; an int or a tensor of them."""
    return (length - kernel) // stride + 1


class TimeConv(nn.Module):
    """A Conv1d over frames as K strided slices, one Concat and one MatMul.

    Attributes:
        kernel: taps K.
        stride: input frames per output frame.
        padding: zero frames added on both sides.
    """

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: nn.Conv1d) -> None:
        super().__init__()
        check_plain(live, nn.Conv1d)
        self.kernel, self.stride = live.kernel_size[0], live.stride[0]
        self.padding = int(live.padding[0])
        # (D', D, K) -> (D', K D): the order in which the slices are concatenated.
        weight = live.weight.detach().transpose(1, 2).flatten(1)
        self.affine = Affine(weight, live.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T', D')."""
        if self.padding:
            x = F.pad(x, (0, 0, self.padding, self.padding))
        out = conv_length(x.shape[1], self.kernel, self.stride)
        span = self.stride * (out - 1) + 1
        taps = [x[:, k : k + span : self.stride] for k in range(self.kernel)]
        return self.affine(torch.cat(taps, -1))
