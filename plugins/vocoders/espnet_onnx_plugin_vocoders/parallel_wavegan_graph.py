"""Parallel WaveGAN's generator (Yamamoto et al. 2020).

Shapes: B utterances, T frames, D features, C channels, N samples (of one band).
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn

from .ends_graph import Ends
from .plain_graph import Join, plain

__all__ = ["ParallelWaveGAN"]


class ParallelWaveGAN(nn.Module):
    """`espnet2.gan_tts.parallel_wavegan.ParallelWaveGANGenerator.inference` of each utterance."""

    def __init__(self, live: Any, normalise: nn.Module, pqmf: Any = None) -> None:
        """`live` is unchanged; `normalise` takes (B, T, D)."""
        super().__init__()
        self.normalise = normalise
        self.upsample = _Upsample(live.upsample_net)
        self.first = plain(live.first_conv)
        self.layers = nn.ModuleList(map(_Layer, live.conv_layers))
        self.last = nn.Sequential(
            *(plain(x) if isinstance(x, nn.Conv1d) else x for x in live.last_conv_layers)
        )
        self.join = Join(pqmf)

    def forward(self, feats: Tensor, feats_lengths: Tensor, noise: Tensor) -> Tensor:
        """(B, T, D), (B,), (B, 1, N) -> (B, T hop), undefined behind each utterance."""
        c, ends = self.upsample(self.normalise(feats).transpose(1, 2), Ends(feats_lengths))
        x = self.first(noise.reshape(c.shape[0], 1, c.shape[2]))
        first, *rest = self.layers
        x, total = first(x, c, ends)
        for layer in rest:
            x, skip = layer(x, c, ends)
            total = total + skip
        wave: Tensor = self.join(self.last(total * math.sqrt(1 / len(self.layers))), ends)
        return wave


class _Upsample(nn.Module):
    """`espnet2.gan_tts.parallel_wavegan.upsample`: `ConvInUpsampleNetwork`, `UpsampleNetwork`."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        whole = hasattr(live, "conv_in")
        self.window = int(live.aux_context_window) if whole else 0
        self.conv_in = plain(live.conv_in) if whole else None
        layers = list((live.upsample if whole else live).up_layers)
        self.steps = nn.ModuleList(_Step(s, c) for s, c in _pairs(layers))
        others = [x for x in layers if not hasattr(x, "x_scale") and not isinstance(x, nn.Conv2d)]
        self.act = others[0] if others else None

    def forward(self, c: Tensor, ends: Ends) -> tuple[Tensor, Ends]:
        """(B, D, T) -> (B, D, N) and its ends."""
        if self.conv_in is not None:
            c = self.conv_in(ends.replicated(c, self.window))
        for step in self.steps:
            c, ends = step(c, ends)
            if self.act is not None:
                c = self.act(c)
        return c, ends


def _pairs(layers: list[Any]) -> list[tuple[Any, Any]]:
    return [
        (stretch, conv)
        for stretch, conv in itertools.pairwise(layers)
        if hasattr(stretch, "x_scale")
    ]


class _Step(nn.Module):
    """Every step several times, smoothed by a convolution of one channel."""

    def __init__(self, stretch: Any, conv: Any) -> None:
        super().__init__()
        self.scale = int(stretch.x_scale)
        self.conv = plain(conv)

    def forward(self, c: Tensor, ends: Ends) -> tuple[Tensor, Ends]:
        c = c[..., None].expand(-1, -1, -1, self.scale).flatten(2)
        ends = ends.scaled(self.scale)
        c = ends.zeros(c, self.conv.padding[1])
        return self.conv(c[:, None])[:, 0], ends


class _Layer(nn.Module):
    """`espnet2.gan_tts.wavenet.residual_block.ResidualBlock`."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.conv, self.out = plain(live.conv), plain(live.conv1x1_out)
        self.aux = plain(live.conv1x1_aux)
        self.sizes = [int(live.residual_channels), int(live.skip_channels)]
        self.factor = math.sqrt(0.5) if live.scale_residual else 1.0

    def forward(self, x: Tensor, c: Tensor, ends: Ends) -> tuple[Tensor, Tensor]:
        """(B, C, N), (B, D, N) -> (B, C, N), (B, skips, N)."""
        y = self.conv(ends.zeros(x, self.conv.padding[0])) + self.aux(c)
        a, b = y.chunk(2, 1)
        y, skip = self.out(torch.tanh(a) * torch.sigmoid(b)).split(self.sizes, 1)
        return (y + x) * self.factor, skip
