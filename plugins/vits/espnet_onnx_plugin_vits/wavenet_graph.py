"""WaveNet with weight normalisation folded in (`espnet2.gan_tts.wavenet`).

Shapes: B utterances, T frames, D width, G width of the condition, K kernel taps.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["WaveNet", "folded"]


class WaveNet(nn.Module):
    """The residual blocks; their outputs are summed up and not yet scaled.

    Attributes:
        scale: what the sum is to be multiplied by, for who reads it to fold in.
    """

    def __init__(self, live: Any, conditioned: bool) -> None:
        """Copy the weights of a live `WaveNet` that has neither a first nor a last convolution."""
        super().__init__()
        blocks = live.conv_layers
        self.scale = math.sqrt(1 / len(blocks)) if live.scale_skip_connect else 1.0
        self.blocks = nn.ModuleList(
            _Block(block, conditioned, last=block is blocks[-1]) for block in blocks
        )

    def forward(self, x: Tensor, valid: Tensor, *condition: Tensor) -> Tensor:
        """(B, D, T), zero on padding, valid (B, 1, T) and (B, G) -> (B, D, T)."""
        total: Tensor | None = None
        for block in self.blocks:
            x, skip = block(x, valid, *condition)
            total = skip if total is None else total + skip
        assert total is not None
        return total


class _Block(nn.Module):
    """`ResidualBlock` without local conditioning; of the last one, only the skip is read."""

    weight: Tensor
    out_weight: Tensor
    out_bias: Tensor | None
    condition: Tensor | None

    def __init__(self, live: Any, conditioned: bool, *, last: bool) -> None:
        super().__init__()
        out, bias = folded(live.conv1x1_out), live.conv1x1_out.bias
        self.width = 0 if last else int(live.residual_channels)
        self.scale = math.sqrt(0.5) if live.scale_residual else 1.0
        if last:
            out = out[live.residual_channels :]
            bias = None if bias is None else bias.detach()[live.residual_channels :]
        self.padding, self.dilation = int(live.conv.padding[0]), int(live.conv.dilation[0])
        condition = folded(live.conv1x1_glo)[..., 0] if conditioned else None
        self.bias = live.conv.bias
        self.register_buffer("weight", folded(live.conv), persistent=False)
        self.register_buffer("out_weight", out, persistent=False)
        self.register_buffer("out_bias", None if bias is None else bias.detach(), persistent=False)
        self.register_buffer("condition", condition, persistent=False)

    def forward(self, x: Tensor, valid: Tensor, *condition: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D, T) -> the next block's input and the skip, (B, D, T) each."""
        y = F.conv1d(x, self.weight, self.bias, padding=self.padding, dilation=self.dilation)
        if self.condition is not None:
            y = y + F.linear(condition[0], self.condition)[..., None]
        value, gate = y.chunk(2, 1)
        out = F.conv1d(torch.tanh(value) * torch.sigmoid(gate), self.out_weight, self.out_bias)
        if not self.width:
            return x, out
        residual, skip = out[:, : self.width], out[:, self.width :]
        # The next block's kernel must see zeros behind each utterance.
        return (x + residual * valid) * self.scale, skip


def folded(conv: Any) -> Tensor:
    """A convolution's weight; weight-norm's own `weight` may be out of date."""
    if not hasattr(conv, "weight_g"):
        weight: Tensor = conv.weight.detach()
        return weight
    gain, direction = conv.weight_g.detach(), conv.weight_v.detach()
    axes = [axis for axis, size in enumerate(gain.shape) if size == 1]
    product: Tensor = direction * (gain / direction.norm(dim=axes, keepdim=True))
    return product
