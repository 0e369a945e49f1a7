"""Layer normalisation with or without weights of its own.

Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.norm import Norm

__all__ = ["norm_of"]


def norm_of(live: nn.LayerNorm) -> nn.Module:
    """The norm over the last axis that shares the weights of `live`, if it has any."""
    return _BareNorm(live.normalized_shape[-1], live.eps) if live.weight is None else Norm(live)


class _BareNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.width, self.eps = width, eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return F.layer_norm(x, (self.width,), eps=self.eps)
