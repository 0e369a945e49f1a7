"""How long each token lasts: the flows of the stochastic duration predictor, run backwards.

Shapes: B utterances, U tokens, D width, G width of the condition, K bins.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.convolution import pointwise
from espnet_onnx.layers.masks import valid_frames
from espnet_onnx.layers.norm import Norm

from .spline_graph import inverse_spline

__all__ = ["DurationModule"]

Halves = tuple[Tensor, Tensor]


class DurationModule(nn.Module):
    """`StochasticDurationPredictor.forward` with `inverse`, and the exp that follows it.

    Attributes:
        input_names: `hidden`, `lengths`, `noise` and, of a model with speakers, `condition`.
    """

    def __init__(self, live: Any, conditioned: bool) -> None:
        """Share the weights of a live predictor."""
        super().__init__()
        self.input_names = ("hidden", "lengths", "noise", *["condition"] * conditioned)
        self.before, self.after = pointwise(live.pre), pointwise(live.proj)
        self.condition = pointwise(live.global_conv) if conditioned else None
        self.stack = _SeparableStack(live.dds)
        flows = list(reversed(live.flows))
        del flows[-2:-1]  # as ESPnet leaves out the last spline
        self.flows = nn.ModuleList(_STEPS[type(flow).__name__](flow) for flow in flows)

    def forward(self, *tensors: Tensor) -> Tensor:
        """(B, U, D), (B,), noise (B, 2, U) times its scale, and (B, G) -> (B, U) in frames.

        They are neither scaled by `alpha` nor rounded, and zero behind each utterance.
        """
        hidden, lengths, noise, *condition = tensors
        valid = valid_frames(lengths, hidden.shape[1])[..., None].to(hidden.dtype)
        x = self.before(hidden)
        if self.condition is not None:
            x = x + self.condition(condition[0][:, None])
        x = self.after(self.stack(x, valid)) * valid
        first, second = noise[:, 0, :, None], noise[:, 1, :, None]
        for flow in self.flows:
            first, second = flow(first, second, x, valid)
        return (first.exp() * valid)[..., 0]


class _Swap(nn.Module):
    """`FlipFlow` of two channels."""

    def __init__(self, live: Any) -> None:
        super().__init__()

    def forward(self, first: Tensor, second: Tensor, x: Tensor, valid: Tensor) -> Halves:
        return second, first


class _Scale(nn.Module):
    """`ElementwiseAffineFlow`."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.mean, self.log = live.m, live.logs

    def forward(self, first: Tensor, second: Tensor, x: Tensor, valid: Tensor) -> Halves:
        out = [
            (half - self.mean[i, 0]) * torch.exp(-self.log[i, 0]) * valid
            for i, half in enumerate((first, second))
        ]
        return out[0], out[1]


class _Spline(nn.Module):
    """`ConvFlow`: the second channel through a spline that the first and x shape."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.bins, self.bound = int(live.bins), float(live.tail_bound)
        self.scale = 1 / math.sqrt(live.hidden_channels)
        self.input, self.output = pointwise(live.input_conv), pointwise(live.proj)
        self.stack = _SeparableStack(live.dds_conv)

    def forward(self, first: Tensor, second: Tensor, x: Tensor, valid: Tensor) -> Halves:
        """Halves (B, U, 1), x (B, U, D) and valid (B, U, 1) -> halves."""
        shape = self.output(self.stack(self.input(first) + x, valid)) * valid
        widths, heights, slopes = shape.split((self.bins, self.bins, self.bins - 1), -1)
        second = inverse_spline(
            second[..., 0], widths * self.scale, heights * self.scale, slopes, self.bound
        )
        return first * valid, second[..., None] * valid


_STEPS = {"FlipFlow": _Swap, "ConvFlow": _Spline, "ElementwiseAffineFlow": _Scale}


class _SeparableStack(nn.Module):
    """`DilatedDepthSeparableConv` without its condition, which the caller adds."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, valid: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_SeparableConv(layer) for layer in live.convs)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, U, D) and (B, U, 1) -> (B, U, D), zero behind each utterance."""
        for layer in self.layers:
            x = x + layer(x * valid)
        return x * valid


class _SeparableConv(nn.Module):
    """Depthwise, norm, GELU, pointwise, norm, GELU.

    The first is a Conv2d of height 1: onnxruntime has blocked kernels for four axes only.
    """

    weight: Tensor

    def __init__(self, live: Any) -> None:
        super().__init__()
        conv, mix = (m for m in live if isinstance(m, nn.Conv1d))
        self.norm, self.last_norm = (Norm(m) for m in live if isinstance(m, nn.LayerNorm))
        self.padding, self.dilation = int(conv.padding[0]), int(conv.dilation[0])
        self.register_buffer("weight", conv.weight.detach()[:, :, None], persistent=False)
        self.bias, self.mix = conv.bias, pointwise(mix)

    def forward(self, x: Tensor) -> Tensor:
        """(B, U, D), zero on padding -> (B, U, D)."""
        planes = F.conv2d(
            x[:, None].permute(0, 3, 1, 2),
            self.weight,
            self.bias,
            padding=(0, self.padding),
            dilation=(1, self.dilation),
            groups=self.weight.shape[0],
        )
        x = F.gelu(self.norm(planes.permute(0, 2, 3, 1)[:, 0]))
        return F.gelu(self.last_norm(self.mix(x)))
