"""What stands in front of the blocks of Transformer-TTS's decoder.

Mirrors `embed` of `espnet...transformer.decoder.Decoder`.
Shapes: F frames of any utterances, D width, L layers and P units of the prenet, O features a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from espnet_onnx.layers.cached_step import StepPositions
from espnet_onnx.layers.live_classes import plain_layer
from espnet_onnx.layers.tts_prenet import FramePrenet

__all__ = ["FrameInput"]


class FrameInput(nn.Module):
    """A prenet that drops units and a linear layer, or linear, norm and ReLU; then positions.

    Args:
        embed: the live layers.

    Attributes:
        sizes: L and P; None where there is no prenet.
    """

    if TYPE_CHECKING:

        def __call__(self, frames: Tensor, kept: Tensor | None, position: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, embed: Any) -> None:
        super().__init__()
        *layers, positions = embed
        self.prenet: FramePrenet | None = None
        if isinstance(layers[0], nn.Sequential):
            prenet, linear = layers[0]
            self.prenet, layers = FramePrenet(prenet), [linear]
        kept = (layer for layer in layers if not isinstance(layer, nn.Dropout))
        self.layers = nn.ModuleList(map(plain_layer, kept))
        self.positions = StepPositions(positions, int(positions.d_model))
        self.sizes = None if self.prenet is None else self.prenet.sizes

    def forward(self, frames: Tensor, kept: Tensor | None, position: Tensor) -> Tensor:
        """(F, O), (F, L, P) and their positions, (1,) or (F, 1, 1) -> (F, D)."""
        x = frames[:, None]
        if self.prenet is not None:
            assert kept is not None
            x = self.prenet(x, kept)
        for layer in self.layers:
            x = layer(x)
        return self.positions(x, position).flatten(0, 1)
