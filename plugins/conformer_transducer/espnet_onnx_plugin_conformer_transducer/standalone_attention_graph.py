"""Positions and self-attention of the standalone task's encoder (needs torch).

A `conv1d` block passes the position table through its own stride and a linear layer, so behind one
it is sinusoidal no more, and where the block has a stride it depends on an utterance's own length.

Shapes: B utterances, P = 1 or B, T frames, D width, H heads, d = D / H.
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

__all__ = ["Distances", "SimplifiedAttention", "TableAttention", "attention", "sinusoidal", "table"]

# Encodings of distances: (P, T, D) of keys 0, 1, ... frames in the past, and in the future.
Distances = tuple[Tensor, Tensor]

_SHARED = ("linear_q", "linear_k", "linear_v", "linear_out", "linear_pos")


def sinusoidal(sin: Tensor, cos: Tensor) -> Distances:
    """`RelPositionalEncoding` of sin and cos (1, T+1, D/2) of the distances 0..T."""
    past, future = (torch.stack((s, cos), -1).flatten(2)[:, :-1] for s in (sin, -sin))
    return past, future


def table(distances: Distances) -> Position:
    """(P, 2T, D): distances T-1 to -(T-1), and a last row that `shift` never reads."""
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
    return TableAttention(named) if from_table else RelAttention(named)


class TableAttention(RelAttention):
    """Positions of any kind, from a table."""

    def __init__(self, live: Any) -> None:
        super().__init__(live)
        self.pos = Affine.of(live.linear_pos)
        del self.pos_sin, self.pos_cos

    def distance_scores(self, q: Tensor, position: Position) -> Tensor:
        """Queries (B, H, T, d) against positions -> (B, H, T, T)."""
        return shift(q @ self.split(self.pos(position[0])).transpose(2, 3))


class SimplifiedAttention(SelfAttention):
    """`compute_simplified_attention_score`: a distance counts the same for every query."""

    def __init__(self, live: Any) -> None:
        super().__init__(live)
        self.pos = Affine.of(live.linear_pos)

    def forward(self, x: Tensor, bias: Tensor, position: Position) -> Tensor:
        """(B, T, D) and a key bias (B, 1, 1, T) -> (B, T, D)."""
        content = self.split(self.q(x)) @ self.split(self.k(x)).transpose(2, 3)
        scores = self.pos(position[0]).transpose(1, 2)[:, :, None] / math.sqrt(self.head_width)
        rows = scores.expand(-1, -1, x.shape[1], -1)
        return self.mix(content + shift(rows) + bias, x)
