"""Multi-head self-attention (`espnet...attention.MultiHeadedAttention`).

Shapes: B utterances, T frames, D width, H heads, d = D / H.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .linear import Affine, check_plain
from .norm import Norm
from .positions import Position

__all__ = ["SelfAttention"]


class SelfAttention(nn.Module):
    """Self-attention; 1/sqrt(d) is folded into the queries.

    The keys' bias adds the same to all scores of a query, which softmax ignores; the values' bias
    comes through whole, as weights sum to one, and moves into the output's. ESPnet's flash and
    SDPA switches compute the same and are ignored.
    """

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, bias: Tensor, position: Position) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.heads, self.head_width = int(live.h), int(live.d_k)
        scale = 1 / math.sqrt(self.head_width)
        normed = isinstance(live.q_norm, nn.LayerNorm)
        self.q_norm = Norm(live.q_norm, scale) if normed else None
        self.k_norm = Norm(live.k_norm) if normed else None
        self.q = Affine.of(live.linear_q) if normed else scaled(live.linear_q, scale)
        self.k, self.v = Affine.of(live.linear_k), Affine.of(live.linear_v)
        self.out = Affine.of(live.linear_out)
        if not normed:
            self.k = Affine(self.k.weight)
        if self.v.bias is not None:
            moved = (self.out.weight @ self.v.bias).detach()
            self.v = Affine(self.v.weight)
            self.out = self.out.plus(moved)

    def forward(self, x: Tensor, bias: Tensor, position: Position) -> Tensor:
        """(B, T, D) and a key bias (B, 1, 1, T) -> (B, T, D)."""
        q, k = self.split(self.q(x)), self.split(self.k(x))
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        return self.mix(q @ k.transpose(2, 3) + bias, x)

    def split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, H, T, d)."""
        return x.reshape(*x.shape[:2], self.heads, self.head_width).transpose(1, 2)

    def mix(self, scores: Tensor, x: Tensor) -> Tensor:
        """Scores (B, H, T, T) and values from x (B, T, D) -> (B, T, D)."""
        return self.weigh(scores, self.v(x))

    def weigh(self, scores: Tensor, values: Tensor) -> Tensor:
        """Scores (B, H, T, K) of the keys and their values (B, K, D) -> (B, T, D)."""
        context = torch.softmax(scores, -1) @ self.split(values)
        return self.out(context.transpose(1, 2).flatten(2))


def scaled(live: nn.Linear, scale: float) -> Affine:
    """A linear layer times a number, over a copy of its weights."""
    check_plain(live, nn.Linear)
    bias = None if live.bias is None else live.bias.detach() * scale
    return Affine(live.weight.detach() * scale, bias)
