"""MelGAN's generator (Kumar et al. 2019), and its multi-band form (Yang et al. 2020).

Shapes: B utterances, T frames or steps, D features, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from .ends_graph import Ends
from .plain_graph import Join, plain

__all__ = ["MelGAN"]


class MelGAN(nn.Module):
    """`espnet2.gan_tts.melgan.MelGANGenerator.inference` of each utterance of a batch."""

    def __init__(self, live: Any, normalise: nn.Module, mode: str, pqmf: Any = None) -> None:
        """`mode` of padding, see `Ends.padded`; `live` is unchanged."""
        super().__init__()
        self.normalise = normalise
        self.layers = nn.ModuleList(_layers(list(live.melgan), mode))
        self.join = Join(pqmf)

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> Tensor:
        """(B, T, D), (B,) -> (B, T hop), undefined behind each utterance."""
        x, ends = self.normalise(feats).transpose(1, 2), Ends(feats_lengths)
        for layer in self.layers:
            if isinstance(layer, _Padded | _Stack):
                x = layer(x, ends)
            elif isinstance(layer, nn.ConvTranspose1d):
                x = layer(ends.zeros(x, 1))
                ends = ends.scaled(layer.stride[0])
            else:
                x = layer(x)
        wave: Tensor = self.join(x, ends)
        return wave


def _layers(live: Sequence[Any], mode: str) -> list[nn.Module]:
    """Each padding and the convolution behind it as one."""
    out: list[nn.Module] = []
    for before, layer in zip([None, *live], live, strict=False):
        if hasattr(layer, "stack"):
            out.append(_Stack(layer, mode))
        elif isinstance(layer, nn.Conv1d):
            out.append(_Padded(before, layer, mode))
        elif isinstance(layer, nn.ConvTranspose1d):
            out.append(plain(layer))
        elif not hasattr(layer, "padding"):
            out.append(layer)
    return out


class _Padded(nn.Module):
    def __init__(self, pad: Any, conv: Any, mode: str) -> None:
        super().__init__()
        self.reach, self.mode = int(pad.padding[0]), mode
        self.conv = plain(conv)

    def forward(self, x: Tensor, ends: Ends) -> Tensor:
        out: Tensor = self.conv(ends.padded(x, self.reach, self.mode))
        return out


class _Stack(nn.Module):
    """`espnet2.gan_tts.melgan.residual_stack.ResidualStack`."""

    def __init__(self, live: Any, mode: str) -> None:
        super().__init__()
        self.first_act, pad, wide, self.second_act, narrow = live.stack
        self.wide = _Padded(pad, wide, mode)
        self.narrow, self.skip = plain(narrow), plain(live.skip_layer)

    def forward(self, x: Tensor, ends: Ends) -> Tensor:
        y = self.second_act(self.wide(self.first_act(x), ends))
        out: Tensor = self.narrow(y) + self.skip(x)
        return out
