"""Additive attention, linear in the length (`espnet2.asr.layers.fastformer`).

Shapes: B utterances, T frames, D width, H heads, d = D / H.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .linear import Affine
from .positions import Position

__all__ = ["FastAttention"]


class FastAttention(nn.Module):
    """`FastSelfAttention`: one global query, one global key; the values are the queries."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.heads = int(live.num_attention_heads)
        self.scale = 1 / math.sqrt(live.attention_head_size)
        self.query, self.key = Affine.of(live.query), Affine.of(live.key)
        self.query_score, self.key_score = Affine.of(live.query_att), Affine.of(live.key_att)
        self.transform = Affine.of(live.transform)

    def forward(self, x: Tensor, bias: Tensor, position: Position) -> Tensor:
        """(B, T, D) and a key bias (B, 1, 1, T) -> (B, T, D)."""
        q = self.query(x)
        p = self.key(x) * self.pool(q, self.query_score(q), bias)
        return self.transform(q * self.pool(p, self.key_score(p), bias)) + q

    def pool(self, x: Tensor, scores: Tensor, bias: Tensor) -> Tensor:
        """Mean of x (B, T, D) over frames, weighted by scores (B, T, H) -> (B, 1, D)."""
        weights = torch.softmax(scores.transpose(1, 2)[:, :, None] * self.scale + bias, -1)
        heads = x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
        return (weights @ heads).transpose(1, 2).flatten(2)
