"""From features to what the first block of an encoder with absolute positions sees.

Shapes: B utterances, T frames, F features, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from .linear import Affine
from .masks import FrameMask, frame_mask
from .norm import Norm
from .positions import AbsolutePositions
from .subsampling import parts, subsampling

__all__ = ["AbsoluteInput", "input_width"]


class AbsoluteInput(nn.Module):
    """The `embed` of an encoder: subsampling, a linear layer or nothing, then positions added.

    Args:
        embed: a live `Conv1dSubsampling*`, `Conv2dSubsampling*`, or a Sequential that ends in a
            `PositionalEncoding`.
    """

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, FrameMask]:
            """`nn.Module` itself promises Any."""

    def __init__(self, embed: Any) -> None:
        super().__init__()
        self.subsampling: nn.Module | None = None
        layers: list[Any] = []
        positions: Any
        if isinstance(embed, nn.Sequential):
            *layers, positions = embed
        else:
            self.subsampling, positions = subsampling(embed), parts(embed)[2]
        self.layers = nn.ModuleList(_plain(m) for m in layers if not isinstance(m, nn.Dropout))
        alpha = getattr(positions, "alpha", None)
        self.positions = AbsolutePositions(int(positions.d_model), alpha)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, FrameMask]:
        """(B, T, F) and lengths (B,) -> (B, T', D) and its mask."""
        if self.subsampling is not None:
            x, lengths = self.subsampling(x, lengths)
        for layer in self.layers:
            x = layer(x)
        mask = frame_mask(lengths, x.shape[1])
        x, _ = self.positions(x, mask)
        return x, mask


def input_width(embed: Any, given: int | None) -> int | None:
    """Features F that a live `embed` takes; convolutions over the feature plane do not say it."""
    if not isinstance(embed, nn.Sequential):
        convs, _, _ = parts(embed)
        return convs[0].in_channels if isinstance(convs[0], nn.Conv1d) else given
    first: Any = embed[0]
    return first.in_features if isinstance(first, nn.Linear) else int(first.d_model)


def _plain(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.LayerNorm):
        return Norm(layer)
    return nn.ReLU() if isinstance(layer, nn.ReLU) else Affine.of(layer)
