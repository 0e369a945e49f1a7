"""HiFi-GAN's generator (Kong et al. 2020).

Steps stand in rows of height 1: onnxruntime has blocked kernels for images alone, which are half
as fast again. A mask between layers would have every layer leave and enter their layout, so all
rows are valid to their ends; `vocoder_runtime` runs no others.

Shapes: B rows, T frames or steps, D features, C channels, G width of the condition.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .ends_graph import WHOLE
from .plain_graph import Join, flat, plain

__all__ = ["ConditionedHiFiGAN", "HiFiGAN"]


class HiFiGAN(nn.Module):
    """`espnet2.gan_tts.hifigan.HiFiGANGenerator.inference` of each row of a batch."""

    def __init__(self, live: Any, normalise: nn.Module, pqmf: Any = None) -> None:
        """`live` is unchanged; `normalise` takes (B, T, D)."""
        super().__init__()
        self.normalise = normalise
        self.first = flat(live.input_conv)
        self.stages = nn.ModuleList(
            _Stage(upsample, live.blocks[i * live.num_blocks : (i + 1) * live.num_blocks])
            for i, upsample in enumerate(live.upsamples)
        )
        self.act, output, self.squash = live.output_conv
        self.last = flat(output)
        self.join = Join(pqmf)

    def forward(self, feats: Tensor) -> Tensor:
        """(B, T, D) -> (B, T hop)."""
        return self.wave(self.hidden(feats))

    def hidden(self, feats: Tensor) -> Tensor:
        """(B, T, D) -> (B, C, 1, T)."""
        x: Tensor = self.first(self.normalise(feats).transpose(1, 2)[:, :, None])
        return x

    def wave(self, x: Tensor) -> Tensor:
        """(B, C, 1, T) -> (B, T hop)."""
        for stage in self.stages:
            x = stage(x)
        wave: Tensor = self.join(self.squash(self.last(self.act(x)))[:, :, 0], WHOLE)
        return wave


class ConditionedHiFiGAN(HiFiGAN):
    """The same for a model of many speakers."""

    def __init__(self, live: Any, normalise: nn.Module, pqmf: Any = None) -> None:
        super().__init__(live, normalise, pqmf)
        self.condition = flat(live.global_conv)

    def forward(self, feats: Tensor, speaker: Tensor) -> Tensor:  # type: ignore[override]
        """(B, T, D), (B, G) -> (B, T hop)."""
        return self.wave(self.hidden(feats) + self.condition(speaker[:, :, None, None]))


class _Stage(nn.Module):
    """One upsampling, and the mean of several residual blocks behind it."""

    def __init__(self, upsample: Any, blocks: Any) -> None:
        super().__init__()
        self.act, live = upsample
        self.upsample = plain(live)
        self.blocks = nn.ModuleList(map(_Residual, blocks))

    def forward(self, x: Tensor) -> Tensor:
        # A transposed convolution has no blocked kernel, and one over steps becomes int8.
        x = self.upsample(self.act(x).squeeze(2)).unsqueeze(2)
        first, *rest = [block(x) for block in self.blocks]
        for other in rest:
            first = first + other
        mean: Tensor = first / len(self.blocks)
        return mean


class _Residual(nn.Module):
    """`espnet2.gan_tts.hifigan.residual_block.ResidualBlock`."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        pairs = zip(live.convs1, live.convs2, strict=True) if live.use_additional_convs else None
        chains = [(one,) for one in live.convs1] if pairs is None else list(pairs)
        self.chains = nn.ModuleList(
            nn.ModuleList(nn.ModuleList((act, flat(conv))) for act, conv in chain)
            for chain in chains
        )

    def forward(self, x: Tensor) -> Tensor:
        for chain in self.chains:
            y = x
            for act, conv in chain:  # type: ignore[attr-defined]
                y = conv(act(y))
            x = y + x
        return x
