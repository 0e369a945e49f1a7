"""Attention to a window around each frame, in chunks: memory grows with the length, not its square.

Beltagy et al. 2020, section 3.1. Shapes: B utterances, T frames, H heads, d width of a head,
C frames a chunk, G chunks; T = G C.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.attention import scaled
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.masks import MASKED

__all__ = ["BandAttention", "key_bias"]


class BandAttention(nn.Module):
    """`LongformerAttention` of ESPnet without global tokens: frames at most `window` apart.

    A chunk's frames see their own chunk and its two neighbours, and a constant hides what lies
    outside the window. There is no output projection.

    Args:
        live: a live `LongformerAttention`.
        chunk: C, at least its window.
    """

    band: Tensor

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, bias: Tensor, position: tuple[Tensor, ...]) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any, chunk: int) -> None:
        super().__init__()
        inner = live.attention_layer
        self.heads, self.chunk = int(inner.num_heads), chunk
        self.q = scaled(inner.query, 1 / math.sqrt(inner.head_dim))
        self.k, self.v = Affine.of(inner.key), Affine.of(inner.value)
        away = torch.arange(chunk)[:, None] + chunk - torch.arange(3 * chunk)
        near = away.abs() <= int(inner.attention_window)
        self.register_buffer("band", torch.where(near, 0.0, MASKED), persistent=False)

    def forward(self, x: Tensor, bias: Tensor, position: tuple[Tensor, ...]) -> Tensor:
        """Attend.

        Args:
            x: (B, T, D).
            bias: not used.
            position: (B, T, 1), 1 on real frames, and what `key_bias` gives for them.

        Returns:
            (B, T, D), zero on padding.
        """
        valid, keys = position
        q, k, v = (self.split(layer(x)) for layer in (self.q, self.k, self.v))
        scores = q @ _neighbours(k).transpose(-1, -2) + self.band + keys
        context = torch.softmax(scores, -1) @ _neighbours(v)
        return context.permute(0, 2, 3, 1, 4).reshape(x.shape) * valid

    def split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, H, G, C, d)."""
        return x.reshape(x.shape[0], -1, self.chunk, self.heads, x.shape[2] // self.heads).permute(
            0, 3, 1, 2, 4
        )


def key_bias(valid: Tensor, chunk: int) -> Tensor:
    """(B, T, 1), 1 on real frames -> (B, 1, G, 1, 3 C), far below zero on what is none."""
    bias = torch.where(valid > 0, 0.0, MASKED).reshape(valid.shape[0], 1, -1, chunk, 1)
    return _neighbours(bias, MASKED).transpose(-1, -2)


def _neighbours(x: Tensor, outside: float = 0.0) -> Tensor:
    """Every chunk behind the one before it and in front of the next: (B, H, G, 3 C, d)."""
    before = F.pad(x[:, :, :-1], (0, 0, 0, 0, 1, 0), value=outside)
    behind = F.pad(x[:, :, 1:], (0, 0, 0, 0, 0, 1), value=outside)
    return torch.cat((before, x, behind), 3)
