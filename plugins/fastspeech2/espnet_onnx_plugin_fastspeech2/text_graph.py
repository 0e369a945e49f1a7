"""From tokens to states, and how many frames each of them lasts.

Mirrors the first half of `FastSpeech._forward`, `FastSpeech2._forward` and
`JETSGenerator.inference`.
Shapes: B utterances, U tokens, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from espnet_onnx.layers.encoder_stack import EncoderStack
from espnet_onnx.layers.tts_conditions import CONDITIONS, Conditions

from .controls import PROSODY
from .predictor_graph import Predictor, Variance

__all__ = ["TextModule"]


class TextModule(nn.Module):
    """Encoder, conditions, predictors.

    Attributes:
        input_names: `tokens`, `lengths`, the conditions, and what changes pitch and energy.
        output_names: `states`, `durations`, and `pitch` and `energy` where they are predicted.
    """

    def __init__(self, live: Any, needs: Sequence[str]) -> None:
        super().__init__()
        self.encoder, self.conditions = EncoderStack(live.encoder), Conditions(live)
        self.duration = Predictor(live.duration_predictor)
        self.offset = float(live.duration_predictor.offset)
        names = [name for name in ("pitch", "energy") if hasattr(live, f"{name}_predictor")]
        self.variances = nn.ModuleDict({name: Variance.of(live, name) for name in names})
        self.input_names = ["tokens", "lengths", *(CONDITIONS[name] for name in needs)]
        self.input_names += PROSODY if names else []
        self.output_names = ["states", "durations", *names]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Tensors in the order of `input_names` -> (B, U, D), (B, U), then (B, U, 1) each.

        Durations are what ESPnet rounds: exp(x) - offset, 0 on padding.
        """
        given = dict(zip(self.input_names, tensors, strict=True))
        x, mask = self.encoder(given["tokens"], given["lengths"])
        x = self.conditions(x, given)
        durations = (self.duration(x, mask.valid).exp() - self.offset) * mask.valid
        total, values = x, list[Tensor]()
        for name, variance in self.variances.items():
            scale, shift = given[f"{name}_scale"], given[f"{name}_shift"]
            value, embedded = variance(x, mask.valid, scale, shift)
            total, values = total + embedded, [*values, value]
        return total, durations[..., 0], *values
