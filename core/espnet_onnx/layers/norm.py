"""Layer normalisation over weights that somebody else owns.

Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Norm"]


class Norm(nn.Module):
    """LayerNorm over the last axis, as `espnet...layer_norm.LayerNorm` with dim -1."""

    weight: Tensor
    bias: Tensor

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: nn.LayerNorm, scale: float = 1.0) -> None:
        """`scale` multiplies the output; other than 1 it copies the D weights."""
        super().__init__()
        self.eps = live.eps
        if scale == 1.0:
            self.weight, self.bias = live.weight, live.bias
            return
        self.register_buffer("weight", live.weight.detach() * scale, persistent=False)
        self.register_buffer("bias", live.bias.detach() * scale, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
