"""Sinusoidal positions, computed in the graph so that no table caps the length.

Mirrors `espnet...transformer.embedding`. Every class maps (x, mask) to the scaled x and to what
attention needs to know of positions (nothing where positions were added to x).
Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .masks import FrameMask

__all__ = ["AbsolutePositions", "NoPositions", "Position", "RelativePositions", "Sinusoids"]

Position = tuple[Tensor, ...]


class Sinusoids(nn.Module):
    """sin and cos of positions at D/2 rates, as `PositionalEncoding.extend_pe`."""

    rates: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        even = torch.arange(0, width, 2, dtype=torch.float32)
        rates = torch.exp(even * -(math.log(10000.0) / width))
        self.register_buffer("rates", rates, persistent=False)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(T,) positions -> sin (T, D/2) and cos (T, D/2)."""
        angles = positions.to(torch.float32)[:, None] * self.rates
        return angles.sin(), angles.cos()


class NoPositions(nn.Module):
    """Leaves x as it is: an input layer without positional encoding."""

    def forward(self, x: Tensor, mask: FrameMask) -> tuple[Tensor, Position]:
        """(B, T, D) -> the same."""
        return x, ()


class AbsolutePositions(nn.Module):
    """`PositionalEncoding` and, with `alpha`, `ScaledPositionalEncoding`."""

    def __init__(self, width: int, alpha: Tensor | None = None) -> None:
        super().__init__()
        self.sinusoids = Sinusoids(width)
        self.scale = math.sqrt(width)
        self.alpha = alpha

    def forward(self, x: Tensor, mask: FrameMask) -> tuple[Tensor, Position]:
        """(B, T, D) -> x sqrt(D) + p, or x + alpha p."""
        sin, cos = self.sinusoids(torch.arange(x.shape[1], device=x.device))
        table = torch.stack((sin, cos), -1).flatten(1)
        if self.alpha is None:
            return x * self.scale + table, ()
        return x + self.alpha * table, ()


class RelativePositions(nn.Module):
    """`RelPositionalEncoding`.

    Only distances 0..T are computed: sin is odd and cos is even, so `RelAttention` makes the
    negative ones of the same projections, which halves that matrix product.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sinusoids = Sinusoids(width)
        self.scale = math.sqrt(width)

    def forward(self, x: Tensor, mask: FrameMask) -> tuple[Tensor, Position]:
        """(B, T, D) -> x sqrt(D), and sin and cos (1, T+1, D/2) of the distances 0..T."""
        sin, cos = self.sinusoids(torch.arange(x.shape[1] + 1, device=x.device))
        return x * self.scale, (sin[None], cos[None])
