"""Convolutions in the blocks of the standalone task's encoder (needs torch).

Shapes: B utterances, T frames, D width, L inner width, K kernel taps.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.convolution import ConvolutionModule, DepthwiseConv
from espnet_onnx.layers.linear import Affine, check_plain

from .standalone_attention_graph import Distances

__all__ = ["BlockConv", "ConformerConv", "GatingConv", "depthwise"]


class _CausalDepthwiseConv(DepthwiseConv):
    """Sees only the past, as training in chunks of several sizes makes it."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        return super().forward(F.pad(x, (0, 0, self.weight.shape[-1] - 1, 0)))


def depthwise(conv: nn.Conv1d, norm: nn.BatchNorm1d | None, causal: bool) -> DepthwiseConv:
    """A depthwise convolution, with the batch norm behind it."""
    return (_CausalDepthwiseConv if causal else DepthwiseConv)(conv, norm)


class ConformerConv(ConvolutionModule):
    """`ConformerConvolution` of this task."""

    def __init__(self, live: Any) -> None:
        super().__init__(live)
        self.depthwise = depthwise(live.depthwise_conv, live.norm, live.lorder > 0)


class GatingConv(nn.Module):
    """`ConvolutionalSpatialGatingUnit` of this task, with the projections around it."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.first, self.second = Affine.of(live.channel_proj1[0]), Affine.of(live.channel_proj2)
        self.norm = copy.copy(live.conv_mod.norm)
        self.conv = depthwise(live.conv_mod.conv, None, live.conv_mod.lorder > 0)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, D) and (B, T, 1), 1 on real frames -> (B, T, D)."""
        value, gate = F.gelu(self.first(x)).chunk(2, -1)
        return self.second(value * self.conv(self.norm(gate) * valid))


class BlockConv(nn.Module):
    """A `conv1d` block, which may shorten its input.

    Attributes:
        reach: input frames that an output frame sees beyond its first.
        stride: input frames per output frame.
        before: zero frames put before the input, of a causal one.
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

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) and (B,) -> (B, T', D') and (B,)."""
        planes = F.pad(x.transpose(1, 2), (self.before, 0))
        planes = F.conv1d(
            planes, self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )
        out: Tensor = self.activation(self.norm(planes)).transpose(1, 2)
        return out, self.length(lengths)

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
        return _rows(past, far), _rows(future, near)


def _rows(x: Tensor, rows: Tensor) -> Tensor:
    """(P, T, D) and numbers (B, T') -> (B, T', D)."""
    batch, width = rows.shape[0], x.shape[2]
    return x.expand(batch, -1, -1).gather(1, rows[..., None].expand(-1, -1, width))
