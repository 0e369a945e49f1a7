"""Positions and self-attention of the standalone task's encoder (needs torch).

A `conv1d` block passes the position table through its own stride and a linear layer, so behind one
it is sinusoidal no more, and where the block has a stride it depends on an utterance's own length.

Shapes: B utterances, P = 1 or B, T frames, L frames before them that `Memory` holds, D width,
H heads, d = D / H.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.attention import SelfAttention
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.positions import Position
from espnet_onnx.layers.rel_attention import RelAttention, shift

from .standalone_memory_graph import Memory

__all__ = [
    "Distances",
    "PastAttention",
    "SimplifiedAttention",
    "TableAttention",
    "attention",
    "sinusoidal",
    "table",
]

# Encodings of distances: (P, L+T, D) of keys 0, 1, ... frames in the past, and (P, T, D) of those
# in the future.
Distances = tuple[Tensor, Tensor]

_SHARED = ("linear_q", "linear_k", "linear_v", "linear_out", "linear_pos")


def sinusoidal(sin: Tensor, cos: Tensor, frames: int) -> Distances:
    """`RelPositionalEncoding` of sin and cos (1, L+T+1, D/2) of the distances 0..L+T."""
    past, future = (torch.stack((s, cos), -1).flatten(2)[:, :-1] for s in (sin, -sin))
    return past, future[:, :frames]


def table(distances: Distances) -> Position:
    """(P, L+2T, D): distances L+T-1 to -(T-1), and a last row that `shift` never reads."""
    past, future = distances
    return (F.pad(torch.cat((past.flip(1), future[:, 1:]), 1), (0, 0, 0, 1)),)


def attention(live: Any, *, from_table: bool) -> nn.Module:
    """The export-friendly form of a `RelPositionMultiHeadedAttention` of this task.

    Args:
        live: the module.
        from_table: its positions are a `table`, not the sin and cos of `RelativePositions`.
    """
    named = SimpleNamespace(
        h=live.num_heads,
        d_k=live.d_k,
        q_norm=None,
        zero_triu=False,
        **{name: getattr(live, name) for name in _SHARED},
    )
    if not hasattr(live, "pos_bias_u"):
        return SimplifiedAttention(named)
    named.pos_bias_u, named.pos_bias_v = live.pos_bias_u, live.pos_bias_v
    return TableAttention(named) if from_table else PastAttention(named)


def _heard(attention: SelfAttention, x: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
    """(B, T, D) -> keys and values (B, L+T, D).

    Those are what is remembered, where ESPnet remembers x and makes them anew for every chunk.
    """
    both = memory.join(torch.cat((attention.k(x), attention.v(x)), -1))
    keys, values = both.chunk(2, -1)
    return keys, values


class PastAttention(RelAttention):
    """Keys may begin before the queries; `position` is of the distances 0..L+T."""

    def forward(  # type: ignore[override]
        self, x: Tensor, bias: Tensor, position: Position, memory: Memory
    ) -> Tensor:
        """(B, T, D) and a key bias (B, 1, 1, L+T) -> (B, T, D)."""
        q = self.q(x)
        keys, values = _heard(self, x, memory)
        content = self.split(q + self.bias_u) @ self.split(keys).transpose(2, 3)
        distance = self.distance_scores(self.split(q + self.bias_v), position)
        return self.weigh(content + distance + bias, values)

    def distance_scores(self, q: Tensor, position: Position) -> Tensor:
        """Queries (B, H, T, d) against positions -> (B, H, T, L+T)."""
        past, future = self.distances(position)
        p = self.split(torch.cat((past, future[:, : q.shape[2]]), 1))
        return shift(q @ p.transpose(2, 3))


class TableAttention(PastAttention):
    """Positions of any kind, from a table."""

    def __init__(self, live: Any) -> None:
        super().__init__(live)
        self.pos = Affine.of(live.linear_pos)
        del self.pos_sin, self.pos_cos

    def distance_scores(self, q: Tensor, position: Position) -> Tensor:
        """Queries (B, H, T, d) against positions -> (B, H, T, L+T)."""
        return shift(q @ self.split(self.pos(position[0])).transpose(2, 3))


class SimplifiedAttention(SelfAttention):
    """`compute_simplified_attention_score`: a distance counts the same for every query."""

    def __init__(self, live: Any) -> None:
        super().__init__(live)
        self.pos = Affine.of(live.linear_pos)

    def forward(  # type: ignore[override]
        self, x: Tensor, bias: Tensor, position: Position, memory: Memory
    ) -> Tensor:
        """(B, T, D) and a key bias (B, 1, 1, L+T) -> (B, T, D)."""
        keys, values = _heard(self, x, memory)
        content = self.split(self.q(x)) @ self.split(keys).transpose(2, 3)
        scores = self.pos(position[0]).transpose(1, 2)[:, :, None] / math.sqrt(self.head_width)
        rows = scores.expand(-1, -1, x.shape[1], -1)
        return self.weigh(content + shift(rows) + bias, values)
