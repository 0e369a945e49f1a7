"""Positions from a grouped convolution (`ConvolutionalPositionalEmbedding`, as in wav2vec 2.0).

Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from .masks import FrameMask
from .positions import Position

__all__ = ["ConvPositions"]


class ConvPositions(nn.Module):
    """gelu(conv(x)) for every convolution, without a residual unless ESPnet has one.

    Only the weight-normed kind; the normalised weights are computed once, at export.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.drop, self.residual = int(live.num_remove), bool(live.use_residual)
        self.layers = len(live.convs)
        self.groups, self.padding = live.convs[0].groups, int(live.convs[0].padding[0])
        for i, conv in enumerate(live.convs):
            self.register_buffer(f"weight_{i}", conv.weight.detach().clone(), persistent=False)
            self.register_buffer(f"bias_{i}", conv.bias.detach(), persistent=False)

    def forward(self, x: Tensor, mask: FrameMask) -> tuple[Tensor, Position]:
        """(B, T, D) -> (B, T, D)."""
        y = x
        for i in range(self.layers):
            # Channels are the last axis, and an utterance alone ends in zeros.
            y = (y * mask.valid).transpose(1, 2)
            weight, bias = getattr(self, f"weight_{i}"), getattr(self, f"bias_{i}")
            y = F.conv1d(y, weight, bias, padding=self.padding, groups=self.groups)
            y = F.gelu(y[..., : y.shape[-1] - self.drop]).transpose(1, 2)
        return (y + x if self.residual else y), ()
