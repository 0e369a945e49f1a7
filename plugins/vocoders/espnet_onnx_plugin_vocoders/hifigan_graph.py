"""HiFi-GAN's generator (Kong et al. 2020).

Shapes: B utterances, T frames or steps, D features, C channels, G width of the condition.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .ends_graph import Ends
from .plain_graph import Join, plain

__all__ = ["ConditionedHiFiGAN", "HiFiGAN"]


class HiFiGAN(nn.Module):
    """`espnet2.gan_tts.hifigan.HiFiGANGenerator.inference` of each utterance of a batch."""

    def __init__(self, live: Any, normalise: nn.Module, pqmf: Any = None) -> None:
        """`live` is unchanged; `normalise` takes (B, T, D)."""
        super().__init__()
        self.normalise = normalise
        self.first = plain(live.input_conv)
        self.stages = nn.ModuleList(
            _Stage(upsample, live.blocks[i * live.num_blocks : (i + 1) * live.num_blocks])
            for i, upsample in enumerate(live.upsamples)
        )
        self.act, output, self.squash = live.output_conv
        self.last = plain(output)
        self.join = Join(pqmf)

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> Tensor:
        """(B, T, D), (B,) -> (B, T hop), undefined behind each utterance."""
        return self.wave(*self.hidden(feats, feats_lengths))

    def hidden(self, feats: Tensor, lengths: Tensor) -> tuple[Tensor, Ends]:
        """(B, T, D), (B,) -> (B, C, T), undefined behind each utterance."""
        ends = Ends(lengths)
        x = ends.zeros(self.normalise(feats).transpose(1, 2), self.first.padding[0])
        return self.first(x), ends

    def wave(self, x: Tensor, ends: Ends) -> Tensor:
        """(B, C, T) -> (B, T hop), undefined behind each utterance."""
        for stage in self.stages:
            x, ends = stage(x, ends)
        x = ends.zeros(self.act(x), self.last.padding[0])
        wave: Tensor = self.join(self.squash(self.last(x)), ends)
        return wave


class ConditionedHiFiGAN(HiFiGAN):
    """The same for a model of many speakers."""

    def __init__(self, live: Any, normalise: nn.Module, pqmf: Any = None) -> None:
        super().__init__(live, normalise, pqmf)
        self.condition = plain(live.global_conv)

    def forward(  # type: ignore[override]
        self, feats: Tensor, feats_lengths: Tensor, speaker: Tensor
    ) -> Tensor:
        """(B, T, D), (B,), (B, G) -> (B, T hop), undefined behind each utterance."""
        x, ends = self.hidden(feats, feats_lengths)
        return self.wave(x + self.condition(speaker[:, :, None]), ends)


class _Stage(nn.Module):
    """One upsampling, and the mean of several residual blocks behind it."""

    def __init__(self, upsample: Any, blocks: Any) -> None:
        super().__init__()
        self.act, live = upsample
        self.upsample = plain(live)
        self.scale = int(live.stride[0])
        self.blocks = nn.ModuleList(map(_Residual, blocks))

    def forward(self, x: Tensor, ends: Ends) -> tuple[Tensor, Ends]:
        # The last sample hears one step behind the end.
        x = self.upsample(ends.zeros(self.act(x), 1))
        ends = ends.scaled(self.scale)
        first, *rest = [block(x, ends) for block in self.blocks]
        for other in rest:
            first = first + other
        return first / len(self.blocks), ends


class _Residual(nn.Module):
    """`espnet2.gan_tts.hifigan.residual_block.ResidualBlock`."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        pairs = zip(live.convs1, live.convs2, strict=True) if live.use_additional_convs else None
        chains = [(one,) for one in live.convs1] if pairs is None else list(pairs)
        self.chains = nn.ModuleList(
            nn.ModuleList(nn.ModuleList((act, plain(conv))) for act, conv in chain)
            for chain in chains
        )

    def forward(self, x: Tensor, ends: Ends) -> Tensor:
        for chain in self.chains:
            y = x
            for act, conv in chain:  # type: ignore[attr-defined]
                y = conv(ends.zeros(act(y), conv.padding[0]))
            x = y + x
        return x
