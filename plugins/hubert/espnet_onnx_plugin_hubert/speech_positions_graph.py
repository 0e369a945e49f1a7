"""Positions: convolutions over the frames, and WavLM's bias of the scores.

Shapes: B utterances, T frames, D width, H heads, M distance from which on all are alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .anatomy_graph import PositionConv, RelativeBias
from .norm_graph import norm_of

__all__ = ["PositionStack", "RelativeTable"]


class PositionStack(nn.Module):
    """x + the outcome of the positional convolutions (`pos_conv` of fairseq's encoder)."""

    def __init__(self, convs: Sequence[PositionConv]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_Conv(conv) for conv in convs)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, D), zero on padding, and (B, T, 1), 1 on real frames -> (B, T, D)."""
        y = x
        for i, conv in enumerate(self.convs):
            y = conv(y * valid if i else y)
        return x + y


class _Conv(nn.Module):
    """Written as a Conv2d of height 1: onnxruntime has blocked kernels for four axes only."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, conv: PositionConv) -> None:
        super().__init__()
        self.groups, kernel = conv.groups, conv.weight.shape[2]
        # An even kernel would give one frame more than there are; fairseq drops the last.
        self.pads = (kernel // 2, (kernel - 1) // 2)
        self.register_buffer("weight", conv.weight.detach()[:, :, None], persistent=False)
        bias = None if conv.bias is None else conv.bias.detach()
        self.register_buffer("bias", bias, persistent=False)
        self.norm = None if conv.norm is None else norm_of(conv.norm)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        planes = F.pad(x[:, None].permute(0, 3, 1, 2), self.pads)
        planes = F.conv2d(planes, self.weight, self.bias, groups=self.groups)
        x = planes.permute(0, 2, 3, 1)[:, 0]
        return F.gelu(x if self.norm is None else self.norm(x))


class RelativeTable(nn.Module):
    """WavLM's bias of every pair of frames (`MultiheadAttention.compute_bias`).

    Beyond M all distances share a bucket, so a table over -M..M serves any length.
    """

    table: Tensor

    def __init__(self, relative: RelativeBias) -> None:
        super().__init__()
        self.far = relative.max_distance
        distances = torch.arange(-self.far, self.far + 1)
        buckets = bucket(distances, len(relative.embedding), self.far)
        table = relative.embedding.detach()[buckets].T.contiguous()
        self.register_buffer("table", table, persistent=False)

    def forward(self, frames: int) -> Tensor:
        """T -> (H, T, T), column j of row i for distance j - i."""
        steps = torch.arange(frames, device=self.table.device)
        distance = (steps[None] - steps[:, None]).clamp(-self.far, self.far)
        rows = self.table.index_select(1, (distance + self.far).flatten())
        return rows.reshape(-1, frames, frames)


def bucket(distances: Tensor, buckets: int, far: int) -> Tensor:
    """Signed distances -> bucket numbers: half of them for each sign, first exact, then log."""
    half = buckets // 2
    exact = half // 2
    size = distances.abs()
    growth = torch.log(size.clamp(min=1).float() / exact) / math.log(far / exact)
    large = (exact + (growth * (half - exact)).long()).clamp(max=half - 1)
    return (distances > 0).long() * half + torch.where(size < exact, size, large)
