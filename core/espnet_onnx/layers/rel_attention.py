"""Self-attention with relative positions, the current kind and ESPnet's old one.

Mirrors `RelPositionMultiHeadedAttention` and `LegacyRelPositionMultiHeadedAttention`.
Shapes: B utterances, T frames, L frames before them, D width, H heads, d = D / H, P = 1 or B.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .attention import SelfAttention
from .linear import Affine
from .positions import Position

__all__ = ["LegacyRelAttention", "RelAttention", "shift", "wrap"]


def shift(x: Tensor) -> Tensor:
    """Row i of the result starts T-1-i columns later: (..., T, L+2T) -> (..., T, L+T).

    Column c of the input belongs to distance L+T-1-c, column j of the result to distance L+i-j.
    Read as rows of one column less, each row moves one column to the left: two copies, where
    ESPnet's `rel_shift` takes three. The last input column is never read.
    """
    frames, width = x.shape[-2], x.shape[-1] - 1
    flat = x.flatten(-2)[..., : frames * width]
    return flat.reshape(*x.shape[:-2], frames, width)[..., frames - 1 :]


class _PositionAttention(SelfAttention):
    """q = x W + u against keys plus q' = x W + v against positions."""

    bias_u: Tensor
    bias_v: Tensor

    def __init__(self, live: Any) -> None:
        super().__init__(live)
        bias = self.q.bias if self.q.bias is not None else 0
        scale = 1 / math.sqrt(self.head_width)
        for name, live_bias in (("bias_u", live.pos_bias_u), ("bias_v", live.pos_bias_v)):
            total = bias + live_bias.detach().flatten() * scale
            self.register_buffer(name, total, persistent=False)
        self.q = Affine(self.q.weight)
        self.zero_triu = bool(live.zero_triu)

    def forward(self, x: Tensor, bias: Tensor, position: Position) -> Tensor:
        """(B, T, D) and a key bias (B, 1, 1, T) -> (B, T, D)."""
        q = self.q(x)
        content = self.split(q + self.bias_u) @ self.split(self.k(x)).transpose(2, 3)
        distance = self.distance_scores(self.split(q + self.bias_v), position)
        if self.zero_triu:
            distance = distance.tril()
        return self.mix(content + distance + bias, x)

    def distance_scores(self, q: Tensor, position: Position) -> Tensor:
        """Queries (B, H, T, d) against positions -> (B, H, T, T)."""
        raise NotImplementedError


class RelAttention(_PositionAttention):
    """The current kind; `position` is (sin, cos) of `RelativePositions`."""

    def __init__(self, live: Any) -> None:
        super().__init__(live)
        weight = live.linear_pos.weight.detach()
        self.pos_sin = Affine(weight[:, 0::2].contiguous())
        self.pos_cos = Affine(weight[:, 1::2].contiguous())

    def distance_scores(self, q: Tensor, position: Position) -> Tensor:
        """Queries (B, H, T, d) against positions, shifted so that column j is key j."""
        p = self.split(torch.cat(self.distances(position), 1))
        return shift(q @ p.transpose(2, 3))

    def distances(self, position: Position) -> tuple[Tensor, Tensor]:
        """(P, T+1, D/2) twice -> encodings of distances T-1..0, and of -1..-T, (P, T, D) each."""
        sin, cos = self.pos_sin(position[0]), self.pos_cos(position[1])
        return (cos + sin)[:, :-1].flip(1), (cos - sin)[:, 1:]


class LegacyRelAttention(_PositionAttention):
    """The old kind, whose shift wraps: row i continues with row i+1's queries.

    Key i+1 gets 0 and key j > i+1 the score of query i+1 at row j-i-2, so each utterance's
    scores depend on its own length; `position` is what `LegacyPositions` returns.
    """

    def __init__(self, live: Any) -> None:
        super().__init__(live)
        self.pos = Affine.of(live.linear_pos)

    def distance_scores(self, q: Tensor, position: Position) -> Tensor:
        """The shift of a padded batch, equal to that of each utterance alone."""
        table, rows = position
        p = self.split(F.pad(self.pos(table)[0], (0, 0, 0, 1))[rows])
        return wrap(F.pad(q, (0, 0, 0, 1)) @ p.transpose(2, 3))


def wrap(x: Tensor) -> Tensor:
    """As `shift`, but a row runs on into the next: (..., T+1, 2T) -> (..., T, T).

    Row i of the result reads the flat input from i (2T-1) + 2T-2 on; row T only fills up.
    """
    frames = x.shape[-2] - 1
    width, start = 2 * frames - 1, 2 * frames - 2
    flat = x.flatten(-2)[..., start : start + frames * width]
    return flat.reshape(*x.shape[:-2], frames, width)[..., :frames]
