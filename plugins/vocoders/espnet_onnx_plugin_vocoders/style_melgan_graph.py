"""StyleMelGAN's generator (Mustafa et al. 2021).

Shapes: B utterances, T frames or steps, D features, C channels, Z channels of the noise, N steps
of the noise.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.layers.masks import valid_frames

from .ends_graph import Ends
from .plain_graph import plain

__all__ = ["StyleMelGAN"]


class StyleMelGAN(nn.Module):
    """`espnet2.gan_tts.style_melgan.StyleMelGANGenerator.inference` of each utterance of a batch.

    As there, frames go on with the last one up to the end of the noise, and what is computed for
    them is cut off again.
    """

    def __init__(self, live: Any, normalise: nn.Module) -> None:
        """`live` is unchanged; `normalise` takes (B, T, D)."""
        super().__init__()
        self.normalise = normalise
        self.spread = nn.ModuleList(
            plain(layer) if isinstance(layer, nn.ConvTranspose1d) else layer
            for layer in live.noise_upsample
        )
        self.every, self.hop = int(live.noise_upsample_factor), int(live.upsample_factor)
        self.blocks = nn.ModuleList(map(_Block, live.blocks))
        output, self.squash = live.output_conv
        self.last = plain(output)

    def forward(self, feats: Tensor, feats_lengths: Tensor, noise: Tensor) -> Tensor:
        """(B, T, D), (B,), (B, Z, N) -> (B, T hop), undefined behind each utterance."""
        steps = (feats_lengths + self.every - 1) // self.every
        x, ends = self._spread(noise, Ends(steps))
        frame = torch.arange(noise.shape[2] * self.every)[None]
        frame = torch.minimum(frame, feats_lengths[:, None] - 1)[..., None]
        feats = self.normalise(feats)
        c = feats.gather(1, frame.expand(-1, -1, feats.shape[2])).transpose(1, 2)
        for block in self.blocks:
            x, c, ends = block(x, c, ends)
        wave: Tensor = self.squash(self.last(ends.zeros(x, self.last.padding[0])))
        return wave[:, 0, : feats.shape[1] * self.hop]

    def _spread(self, x: Tensor, ends: Ends) -> tuple[Tensor, Ends]:
        for layer in self.spread:
            if isinstance(layer, nn.ConvTranspose1d):
                x = layer(ends.zeros(x, 1))
                ends = ends.scaled(layer.stride[0])
            else:
                x = layer(x)
        return x, ends


class _Block(nn.Module):
    """`espnet2.gan_tts.style_melgan.tade_res_block.TADEResBlock`."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.scale = int(live.upsample.scale_factor)
        self.first, self.second = _Layer(live.tade1), _Layer(live.tade2)
        self.first_conv, self.second_conv = plain(live.gated_conv1), plain(live.gated_conv2)
        self.gate = live.gated_function

    def forward(self, x: Tensor, c: Tensor, ends: Ends) -> tuple[Tensor, Tensor, Ends]:
        """(B, C, T), (B, D, T) -> (B, C, T scale) twice, and their ends."""
        y, c, ends = self.first(x, c, ends)
        y = self._gated(self.first_conv(ends.zeros(y, self.first_conv.padding[0])))
        y, c, ends = self.second(y, c, ends)
        y = self._gated(self.second_conv(ends.zeros(y, self.second_conv.padding[0])))
        return _repeat(x, self.scale) + y, c, ends

    def _gated(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        out: Tensor = self.gate(a) * torch.tanh(b)
        return out


class _Layer(nn.Module):
    """`espnet2.gan_tts.style_melgan.tade_res_block.TADELayer`."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.scale = int(live.upsample.scale_factor)
        self.aux, self.gated = plain(live.aux_conv[0]), plain(live.gated_conv[0])
        self.eps = float(live.norm.eps)

    def forward(self, x: Tensor, c: Tensor, ends: Ends) -> tuple[Tensor, Tensor, Ends]:
        """(B, C, T), (B, D, T) -> (B, C, T scale) twice, and their ends."""
        x = _repeat(self._norm(x, ends.lengths), self.scale)
        ends = ends.scaled(self.scale)
        c = ends.zeros(_repeat(c, self.scale), self.aux.padding[0])
        c = self.aux(c)
        gain, shift = self.gated(ends.zeros(c, self.gated.padding[0])).chunk(2, 1)
        return gain * x + shift, c, ends

    def _norm(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Instance norm over each utterance's own steps."""
        valid = valid_frames(lengths, x.shape[2])[:, None].float()
        count = lengths[:, None, None]
        x = x - (x * valid).sum(2, keepdim=True) / count
        variance = (x.square() * valid).sum(2, keepdim=True) / count
        return x / (variance + self.eps).sqrt()


def _repeat(x: Tensor, scale: int) -> Tensor:
    """Every step `scale` times, as `torch.nn.Upsample` in mode nearest."""
    if scale == 1:
        return x
    return x[..., None].expand(-1, -1, -1, scale).flatten(2)
