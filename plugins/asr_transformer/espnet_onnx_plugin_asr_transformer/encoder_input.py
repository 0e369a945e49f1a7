"""From features or tokens to what the first encoder block sees.

Shapes: B utterances, T frames, F features, D width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.layers.conv_positions import ConvPositions
from espnet_onnx.layers.legacy_positions import LegacyPositions
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.masks import FrameMask, frame_mask
from espnet_onnx.layers.norm import Norm
from espnet_onnx.layers.positions import (
    AbsolutePositions,
    NoPositions,
    Position,
    RelativePositions,
)
from espnet_onnx.layers.subsampling import parts, subsampling

__all__ = ["EncoderInput", "position_module", "table_length"]


class EncoderInput(nn.Module):
    """The `embed` of a Transformer or Conformer encoder.

    Attributes:
        subsampling: changes the number of frames, or None.
        before: layers in front of the positions.
        after: layers behind them (`wav2vec` only).
    """

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
            self.positions = _positions(parts(embed)[2], limit)

    def _read(self, layers: list[nn.Module], limit: int) -> None:
        place = self.before
        for layer in layers:
            if type(layer).__name__ in POSITION_CLASSES:
                self.positions = _positions(layer, limit)
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
    if isinstance(layer, nn.LayerNorm):
        return Norm(layer)
    if isinstance(layer, nn.Embedding):
        return _Embedding(layer)
    if isinstance(layer, nn.ReLU):
        return nn.ReLU()
    return Affine.of(layer)


def position_module(encoder: Any) -> Any:
    """The live positional encoding of an encoder, None if it has none."""
    embed = encoder.embed
    if embed is None or isinstance(embed, nn.Linear):
        return None
    if isinstance(embed, nn.Sequential):
        return next((m for m in embed if type(m).__name__ in POSITION_CLASSES), None)
    return parts(embed)[2]


def table_length(component: eo.Component) -> int:
    """Positions in the table of a freshly built encoder; 5000 where its config has no say."""
    return int(component.conf.get("max_pos_emb_len") or 5000)


def _positions(live: Any, limit: int) -> nn.Module:
    name = type(live).__name__
    if name not in POSITION_CLASSES:
        raise ModelError(f"positional encoding {name} has no graph: choose another pos_enc_layer")
    module: nn.Module = POSITION_CLASSES[name](live, limit)
    return module


POSITION_CLASSES: dict[str, Any] = {
    "PositionalEncoding": lambda live, limit: AbsolutePositions(live.d_model),
    "ScaledPositionalEncoding": lambda live, limit: AbsolutePositions(live.d_model, live.alpha),
    "RelPositionalEncoding": lambda live, limit: RelativePositions(live.d_model),
    "LegacyRelPositionalEncoding": lambda live, limit: LegacyPositions(live.d_model, limit),
    "ConvolutionalPositionalEmbedding": lambda live, limit: ConvPositions(live),
}
