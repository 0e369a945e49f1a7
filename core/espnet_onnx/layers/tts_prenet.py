"""What stands in front of the encoder of a text, and of the decoder of frames.

Shapes: B utterances, U tokens, O features a frame, L layers, P units, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .linear import Affine
from .tts_convs import PaddedConvs

__all__ = ["FramePrenet", "TextPrenet"]


class TextPrenet(nn.Module):
    """Embedding and convolutions of `espnet...tacotron2.encoder.Encoder`."""

    weight: Tensor

    if TYPE_CHECKING:

        def __call__(self, tokens: Tensor, valid: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.weight = live.embed.weight
        convs = getattr(live, "convs", None)
        self.convs = None if convs is None else PaddedConvs(convs, bool(live.use_residual))

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """(B, U) and (B, U, 1), 1 on real tokens -> (B, U, D)."""
        x = F.embedding(tokens, self.weight)
        return x if self.convs is None else self.convs(x, valid)


class FramePrenet(nn.Module):
    """`espnet...tacotron2.decoder.Prenet`, which drops units in inference, too.

    What becomes of each unit is an input, drawn outside: 0, or what the kept ones are scaled by.
    """

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, kept: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Affine.of(layer[0]) for layer in live.prenet)

    @property
    def sizes(self) -> tuple[int, int]:
        """Sizes of what was drawn for a frame: L and P."""
        first: Any = self.layers[0]
        return len(self.layers), int(first.weight.shape[0])

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        """(B, 1, O) and (B, L, P) -> (B, 1, P)."""
        for i, layer in enumerate(self.layers):
            x = torch.relu(layer(x)) * kept[:, i : i + 1]
        return x
