"""From features or tokens to what the first block of an encoder sees, with any kind of positions.

Shapes: B utterances, T frames, F features, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from .linear import Affine
from .live_classes import is_position, plain_layer, position_layer
from .masks import FrameMask, frame_mask
from .positions import NoPositions, Position
from .subsampling import parts, subsampling

__all__ = ["EncoderInput"]


class EncoderInput(nn.Module):
    """The `embed` of a Transformer or Conformer encoder.

    Attributes:
        subsampling: changes the number of frames, or None.
        before: layers in front of the positions.
        after: layers behind them (`wav2vec` only).
    """

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, FrameMask, Position]:
            """`nn.Module` itself promises Any."""

    def __init__(self, embed: nn.Module | None, limit: int) -> None:
        """`limit` is the length of a fresh model's legacy position table."""
        super().__init__()
        self.subsampling: nn.Module | None = None
        self.before, self.after = nn.ModuleList(), nn.ModuleList()
        self.positions: nn.Module = NoPositions()
        if isinstance(embed, nn.Sequential):
            self._read(list(embed), limit)
        elif isinstance(embed, nn.Linear):
            self.before.append(Affine.of(embed))
        elif embed is not None:
            self.subsampling = subsampling(embed)
            self.positions = position_layer(parts(embed)[2], limit)

    def _read(self, layers: list[nn.Module], limit: int) -> None:
        place = self.before
        for layer in layers:
            if is_position(layer):
                self.positions = position_layer(layer, limit)
                place = self.after
            elif not isinstance(layer, nn.Dropout | nn.Identity):
                place.append(_plain(layer))

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, FrameMask, Position]:
        """(B, T, F) features, or (B, T) tokens, -> (B, T', D), its mask, and positions."""
        if self.subsampling is not None:
            x, lengths = self.subsampling(x, lengths)
        for layer in self.before:
            x = layer(x)
        mask = frame_mask(lengths, x.shape[1])
        x, position = self.positions(x, mask)
        for layer in self.after:
            x = layer(x)
        return x, mask, position


class _Embedding(nn.Module):
    def __init__(self, live: nn.Embedding) -> None:
        super().__init__()
        self.weight = live.weight

    def forward(self, x: Tensor) -> Tensor:
        return F.embedding(x, self.weight)


def _plain(layer: nn.Module) -> nn.Module:
    return _Embedding(layer) if isinstance(layer, nn.Embedding) else plain_layer(layer)
