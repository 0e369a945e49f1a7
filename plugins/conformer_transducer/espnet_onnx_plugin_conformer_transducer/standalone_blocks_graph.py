"""Blocks of the standalone task's encoder that attend (needs torch).

Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.layers.feed_forward import FeedForward
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.masks import FrameMask
from espnet_onnx.layers.positions import Position

from .standalone_attention_graph import attention
from .standalone_conv_graph import ConformerConv, GatingConv, OpenDepthwise
from .standalone_memory_graph import Memory

__all__ = ["Branchformer", "Conformer", "EBranchformer", "block"]


def block(live: Any, *, from_table: bool) -> nn.Module:
    """The export-friendly form of a block; `from_table` as in `attention`."""
    if hasattr(live, "depthwise_conv_mod"):
        return EBranchformer(live, from_table)
    return (Branchformer if hasattr(live, "merge_proj") else Conformer)(live, from_table)


class _Half(nn.Module):
    """x + f(norm(x)) / 2."""

    def __init__(self, norm: nn.Module, inner: Any) -> None:
        super().__init__()
        self.norm, self.inner = copy.copy(norm), FeedForward(inner)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        half: Tensor = x + 0.5 * self.inner(self.norm(x), valid)
        return half


class Conformer(nn.Module):
    """`espnet2.asr_transducer.encoder.blocks.conformer.Conformer`."""

    def __init__(self, live: Any, from_table: bool) -> None:
        super().__init__()
        self.macaron = _Half(live.norm_macaron, live.feed_forward_macaron)
        self.attention_norm = copy.copy(live.norm_self_att)
        self.attention = attention(live.self_att, from_table=from_table)
        self.conv_norm, self.conv = copy.copy(live.norm_conv), ConformerConv(live.conv_mod)
        self.feed_forward = _Half(live.norm_feed_forward, live.feed_forward)
        self.final_norm = copy.copy(live.norm_final)

    def forward(self, x: Tensor, mask: FrameMask, position: Position, memory: Memory) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x = self.macaron(x, mask.valid)
        x = x + self.attention(self.attention_norm(x), mask.bias, position, memory)
        x = x + self.conv(self.conv_norm(x), mask.valid, memory)
        out: Tensor = self.final_norm(self.feed_forward(x, mask.valid))
        return out


class _Branches(nn.Module):
    """Attention beside a gating convolution, each behind a norm, side by side."""

    def __init__(self, live: Any, from_table: bool) -> None:
        super().__init__()
        self.attention_norm = copy.copy(live.norm_self_att)
        self.conv_norm = copy.copy(live.norm_mlp)
        self.attention = attention(live.self_att, from_table=from_table)
        self.conv = GatingConv(live)

    def forward(self, x: Tensor, mask: FrameMask, position: Position, memory: Memory) -> Tensor:
        """(B, T, D) -> (B, T, 2D)."""
        one = self.attention(self.attention_norm(x), mask.bias, position, memory)
        return torch.cat((one, self.conv(self.conv_norm(x), mask.valid, memory)), -1)


class Branchformer(nn.Module):
    """`espnet2.asr_transducer.encoder.blocks.branchformer.Branchformer`."""

    def __init__(self, live: Any, from_table: bool) -> None:
        super().__init__()
        self.branches, self.merge = _Branches(live, from_table), Affine.of(live.merge_proj)
        self.final_norm = copy.copy(live.norm_final)

    def forward(self, x: Tensor, mask: FrameMask, position: Position, memory: Memory) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        out: Tensor = self.final_norm(x + self.merge(self.branches(x, mask, position, memory)))
        return out


class EBranchformer(nn.Module):
    """`espnet2.asr_transducer.encoder.blocks.ebranchformer.EBranchformer`."""

    def __init__(self, live: Any, from_table: bool) -> None:
        super().__init__()
        self.macaron = _Half(live.norm_feed_forward_macaron, live.feed_forward_macaron)
        self.branches, self.merge = _Branches(live, from_table), Affine.of(live.merge_proj)
        inner = live.depthwise_conv_mod
        self.depthwise = OpenDepthwise(inner.conv, None, inner.lorder)
        self.feed_forward = _Half(live.norm_feed_forward, live.feed_forward)
        self.final_norm = copy.copy(live.norm_final)

    def forward(self, x: Tensor, mask: FrameMask, position: Position, memory: Memory) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x = self.macaron(x, mask.valid)
        both = self.branches(x, mask, position, memory)
        x = x + self.merge(both + self.depthwise(both * mask.valid, memory))
        out: Tensor = self.final_norm(self.feed_forward(x, mask.valid))
        return out
