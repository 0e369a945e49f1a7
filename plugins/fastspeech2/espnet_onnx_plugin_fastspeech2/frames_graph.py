"""From states to frames: decoder, projection, postnet.

Mirrors the second half of `FastSpeech._forward` and `FastSpeech2._forward`.
Shapes: B utterances, U tokens, T decoder frames, D width, F features.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.layers.encoder_stack import EncoderStack
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.masks import valid_frames
from espnet_onnx.layers.tts_convs import PaddedConvs

__all__ = ["FramesModule", "repeated"]


class FramesModule(nn.Module):
    """Each frame takes the state of its token; the rest is a decoder over frames."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.decoder, self.feat_out = EncoderStack(live.decoder), Affine.of(live.feat_out)
        self.postnet = None if live.postnet is None else PaddedConvs(live.postnet.postnet)
        self.width, self.factor = int(live.odim), int(live.reduction_factor)

    def forward(
        self, states: Tensor, index: Tensor, frame_lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, U, D), the token of each frame (B, T) and (B,) -> (B, T', F) and (B,).

        T' is T times the reduction factor.
        """
        x, _ = self.decoder(repeated(states, index), frame_lengths)
        x = self.feat_out(x)
        if self.factor != 1:
            x = x.reshape(x.shape[0], x.shape[1] * self.factor, self.width)
        # An output must not be an input of the same graph.
        lengths = frame_lengths * self.factor if self.factor != 1 else frame_lengths.clone()
        if self.postnet is not None:
            x = x + self.postnet(x, valid_frames(lengths, x.shape[1])[..., None].float())
        return x, lengths


def repeated(states: Tensor, index: Tensor) -> Tensor:
    """(B, U, D) and tokens of frames (B, T) -> (B, T, D)."""
    batch, tokens, _ = states.shape
    # One Gather of whole rows, where `torch.gather` would pick number by number.
    first = torch.arange(batch, device=index.device)[:, None] * tokens
    return states.flatten(0, 1)[index + first]
