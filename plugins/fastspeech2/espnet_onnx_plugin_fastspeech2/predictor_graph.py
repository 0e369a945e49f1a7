"""One number for each token: durations, pitch and energy, and how the latter two are heard.

Mirrors `VariancePredictor` and `DurationPredictor`.
Shapes: B utterances, U tokens, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.norm import Norm
from espnet_onnx.layers.windows import TimeConv

__all__ = ["Predictor", "Variance"]


class Predictor(nn.Module):
    """Convolutions over tokens, each with ReLU and a norm, then one number."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, valid: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.convs = nn.ModuleList(TimeConv(layer[0]) for layer in live.conv)
        self.norms = nn.ModuleList(Norm(layer[2]) for layer in live.conv)
        self.linear = Affine.of(live.linear)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, U, D) and (B, U, 1), 1 on real tokens -> (B, U, 1), 0 on padding."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(torch.relu(conv(x * valid)))
        return self.linear(x) * valid


class Variance(nn.Module):
    """A predicted quantity, scaled and shifted, and its embedding."""

    if TYPE_CHECKING:

        def __call__(
            self, x: Tensor, valid: Tensor, scale: Tensor, shift: Tensor
        ) -> tuple[Tensor, Tensor]:
            """`nn.Module` itself promises Any."""

    def __init__(self, predictor: Any, embed: Any) -> None:
        super().__init__()
        self.predictor, self.embed = Predictor(predictor), TimeConv(embed[0])

    @classmethod
    def of(cls, live: Any, name: str) -> Variance:
        """`pitch` or `energy` of a live `FastSpeech2` or `JETSGenerator`."""
        return cls(getattr(live, f"{name}_predictor"), getattr(live, f"{name}_embed"))

    def forward(
        self, x: Tensor, valid: Tensor, scale: Tensor, shift: Tensor
    ) -> tuple[Tensor, Tensor]:
        """States (B, U, D), scale and shift (B,) -> (B, U, 1) and its embedding (B, U, D)."""
        value = self.predictor(x, valid) * scale[:, None, None] + shift[:, None, None] * valid
        return value, self.embed(value)
