"""JETS between its predictors and its vocoder.

Mirrors `GaussianUpsampling` and what follows it in `JETSGenerator.inference`.
Shapes: B utterances, U tokens, T frames, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.layers.encoder_stack import EncoderStack
from espnet_onnx.layers.masks import valid_frames

__all__ = ["GaussianFrames"]


class GaussianFrames(nn.Module):
    """Each frame takes a mean of all states, weighted by how near their middles are to it."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.decoder, self.delta = EncoderStack(live.decoder), float(live.length_regulator.delta)

    def forward(
        self,
        states: Tensor,
        lengths: Tensor,
        durations: Tensor,
        times: Tensor,
        frame_lengths: Tensor,
    ) -> Tensor:
        """Frames that the vocoder hears.

        Args:
            states: (B, U, D).
            lengths: (B,) tokens.
            durations: (B, U) frames of each token.
            times: (T,) 0, 1, ...: they say how many frames are made.
            frame_lengths: (B,).

        Returns:
            (B, T, D).
        """
        middles = durations.cumsum(1) - durations / 2
        nearness = -self.delta * (times[:, None] - middles[:, None]) ** 2
        real = valid_frames(lengths, states.shape[1])[:, None]
        weights = torch.softmax(torch.where(real, nearness, -torch.inf), -1)
        out, _ = self.decoder(weights @ states, frame_lengths)
        return out
