"""Convolutions in the blocks of the standalone task's encoder (needs torch).

Shapes: B utterances, T frames, D width, L inner width, K kernel taps.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.convolution import DepthwiseConv, pointwise
from espnet_onnx.layers.linear import Affine, check_plain

from .standalone_attention_graph import Distances
from .standalone_memory_graph import Memory, chosen

__all__ = ["BlockConv", "ConformerConv", "GatingConv", "OpenDepthwise"]


class OpenDepthwise(nn.Module):
    """A depthwise convolution, with the batch norm behind it.

    Training in chunks of several sizes makes it causal; then it remembers.

    Args:
        before: frames that a causal one sees before its first; 0 of one that is not causal.
    """

    def __init__(self, conv: nn.Conv1d, norm: nn.BatchNorm1d | None, before: int) -> None:
        super().__init__()
        self.conv, self.before = DepthwiseConv(conv, norm), before

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        """(B, T, D), zero on padding -> (B, T, D)."""
        out: Tensor = self.conv(memory.join(x, self.before) if self.before else x)
        return out


class ConformerConv(nn.Module):
    """`ConformerConvolution` of this task: as `ConvolutionModule`, and causal or not."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.first, self.second = pointwise(live.pointwise_conv1), pointwise(live.pointwise_conv2)
        self.depthwise = OpenDepthwise(live.depthwise_conv, live.norm, live.lorder)
        self.activation = copy.copy(live.activation)

    def forward(self, x: Tensor, valid: Tensor, memory: Memory) -> Tensor:
        """(B, T, D) and (B, T, 1), 1 on real frames -> (B, T, D)."""
        value, gate = self.first(x).chunk(2, -1)
        mixed = self.depthwise(value * torch.sigmoid(gate) * valid, memory)
        return self.second(self.activation(mixed))


class GatingConv(nn.Module):
    """`ConvolutionalSpatialGatingUnit` of this task, with the projections around it."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.first, self.second = Affine.of(live.channel_proj1[0]), Affine.of(live.channel_proj2)
        self.norm = copy.copy(live.conv_mod.norm)
        self.conv = OpenDepthwise(live.conv_mod.conv, None, live.conv_mod.lorder)

    def forward(self, x: Tensor, valid: Tensor, memory: Memory) -> Tensor:
        """(B, T, D) and (B, T, 1), 1 on real frames -> (B, T, D)."""
        value, gate = F.gelu(self.first(x)).chunk(2, -1)
        return self.second(value * self.conv(self.norm(gate) * valid, memory))


class BlockConv(nn.Module):
    """A `conv1d` block, which may shorten its input.

    Attributes:
        reach: input frames that an output frame sees beyond its first.
        stride: input frames per output frame.
        before: frames that a causal one sees before the input; it remembers them.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        check_plain(live.conv, nn.Conv1d)
        conv = live.conv
        self.weight, self.bias, self.groups = conv.weight, conv.bias, conv.groups
        self.stride, self.dilation = conv.stride[0], conv.dilation[0]
        self.reach, self.before = self.dilation * (conv.kernel_size[0] - 1), int(live.lorder)
        self.norm = copy.copy(live.bn) if live.batch_norm else nn.Identity()
        self.activation = nn.ReLU() if live.relu else nn.Identity()
        self.positions = Affine.of(live.out_pos)

    def forward(self, x: Tensor, lengths: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """(B, T, D) and (B,) -> (B, T', D') and (B,)."""
        planes = (memory.join(x, self.before) if self.before else x).transpose(1, 2)
        planes = F.conv1d(
            planes, self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )
        out: Tensor = self.activation(self.norm(planes)).transpose(1, 2)
        return out, self.length(lengths)

    @property
    def shortens(self) -> bool:
        """Whether there are fewer frames behind it."""
        return bool(self.before != self.reach or self.stride > 1)

    def length(self, lengths: Tensor) -> Tensor:
        """(B,) of the input -> (B,) of the output; `Conv1d.create_new_mask` (202611)."""
        frames: Tensor = (lengths + self.before - self.reach - 1) // self.stride + 1
        return frames.clamp(min=0)

    def moved(self, distances: Distances, lengths: Tensor, frames: int) -> Distances:
        """`Conv1d.create_new_pos_enc` and `out_pos`, of (B,) input lengths.

        It cuts the table at its far ends and then takes each stride-th row, counted from the
        oldest: which rows those are depends on the utterance's own length.

        Args:
            distances: before the block.
            lengths: (B,) before the block.
            frames: T' behind the block.
        """
        past, future = distances
        if not self.before and self.stride > 1:
            past, future = self._strided(past, future, lengths, frames)
        elif not self.before:
            past, future = past[:, self.reach :], future[:, :frames]
        return self.positions(past), self.positions(future)

    def _strided(
        self, past: Tensor, future: Tensor, lengths: Tensor, frames: int
    ) -> tuple[Tensor, Tensor]:
        # Of the future, rows from the nearest on.
        near = self.stride * torch.arange(frames, device=past.device)[None]
        first = self.reach + torch.remainder(lengths - 1 - self.reach, self.stride)
        far = (first[:, None] + near).clamp(max=past.shape[1] - 1)
        near = near.expand(lengths.shape[0], -1)
        return chosen(past, far), chosen(future, near)
