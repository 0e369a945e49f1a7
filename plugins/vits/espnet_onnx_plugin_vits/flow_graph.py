"""From the prior and durations to latent frames: the coupling flow, run backwards.

Shapes: B utterances, U tokens, T frames, C latent channels, D width, G width of the condition.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.masks import valid_frames

from .wavenet_graph import WaveNet

__all__ = ["FlowModule"]


class FlowModule(nn.Module):
    """The second half of `VITSGenerator.inference`, up to its decoder.

    The flow reverses all channels before each of its layers (`FlipFlow`). Here the halves stay
    where they are and every other layer has its weights in reverse.

    Attributes:
        input_names: `prior`, `path`, `lengths`, `noise` and, of a model with speakers,
            `condition`.
    """

    def __init__(self, live: Any, conditioned: bool) -> None:
        """Copy the weights of a live `ResidualAffineCouplingBlock`."""
        super().__init__()
        self.input_names = ("prior", "path", "lengths", "noise", *["condition"] * conditioned)
        layers = [flow for flow in reversed(live.flows) if hasattr(flow, "encoder")]
        self.layers = nn.ModuleList(
            _Coupling(layer, conditioned, flipped=i % 2 == 0) for i, layer in enumerate(layers)
        )

    def forward(self, *tensors: Tensor) -> Tensor:
        """The prior (B, U, 2C), a path (B, T), lengths (B,), noise (B, C, T) and (B, G).

        The path has each frame's token, counted from 1, and 0 for none, whose prior is
        standard normal. The noise comes times its scale.

        Returns:
            (B, T, C), zero behind each utterance.
        """
        prior, path, lengths, noise, *condition = tensors
        mean, log = _spread(prior, path).transpose(1, 2).chunk(2, 1)
        valid = valid_frames(lengths, path.shape[1])[:, None].to(noise.dtype)
        low, high = (mean + noise * log.exp()).chunk(2, 1)
        for i, layer in enumerate(self.layers):
            if i % 2 == 0:
                low = layer(high, low, valid, *condition)
            else:
                high = layer(low, high, valid, *condition)
        z = torch.cat((low, high), 1) * valid
        if len(self.layers) % 2:
            z = z.flip(1)
        return z.transpose(1, 2)


def _spread(prior: Tensor, path: Tensor) -> Tensor:
    """(B, U, 2C), (B, T) -> each frame's row (B, T, 2C); tokens count from 1, 0 is zeros."""
    rows = F.pad(prior, (0, 0, 1, 0))
    start = torch.arange(rows.shape[0], device=path.device)[:, None] * rows.shape[1]
    return rows.flatten(0, 1)[path + start]


class _Coupling(nn.Module):
    """`ResidualAffineCouplingLayer.forward` with `inverse`."""

    into_weight: Tensor
    out_weight: Tensor
    out_bias: Tensor

    def __init__(self, live: Any, conditioned: bool, *, flipped: bool) -> None:
        """With `flipped`, both halves come and go with their channels in reverse."""
        super().__init__()
        into, out, bias = (
            p.detach() for p in (live.input_conv.weight, live.proj.weight, live.proj.bias)
        )
        self.only_mean = bool(live.use_only_mean)
        if flipped:
            into = into.flip(1)
            parts = 1 if self.only_mean else 2
            out = torch.cat([half.flip(0) for half in out.chunk(parts)])
            bias = torch.cat([half.flip(0) for half in bias.chunk(parts)])
        self.wavenet = WaveNet(live.encoder, conditioned)
        self.register_buffer("into_weight", into.contiguous(), persistent=False)
        self.register_buffer("out_weight", out * self.wavenet.scale, persistent=False)
        self.register_buffer("out_bias", bias, persistent=False)
        self.into_bias = live.input_conv.bias

    def forward(self, given: Tensor, half: Tensor, valid: Tensor, *condition: Tensor) -> Tensor:
        """Two halves (B, C/2, T), (B, 1, T) and (B, G) -> the second one changed."""
        x = F.conv1d(given, self.into_weight, self.into_bias) * valid
        stats = F.conv1d(self.wavenet(x, valid, *condition), self.out_weight, self.out_bias)
        if self.only_mean:
            return half - stats
        mean, log = stats.chunk(2, 1)
        return (half - mean) * torch.exp(-log) * valid
