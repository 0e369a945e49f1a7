"""MelGAN's generator (Kumar et al. 2019), and its multi-band form (Yang et al. 2020).

Images of height 1, rows all valid to their ends: as in `hifigan_graph`. So what pads a row by its
reflection pads the utterance, as far as `vocoder_runtime` keeps what it hears of a row's ends.

Shapes: B rows, T frames or steps, D features, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from .ends_graph import WHOLE
from .plain_graph import Join, flat, plain

__all__ = ["MelGAN"]


class MelGAN(nn.Module):
    """`espnet2.gan_tts.melgan.MelGANGenerator.inference` of each row of a batch."""

    def __init__(self, live: Any, normalise: nn.Module, mode: str, pqmf: Any = None) -> None:
        """`mode` of padding, see `torch.nn.functional.pad`; `live` is unchanged."""
        super().__init__()
        self.normalise = normalise
        self.layers = nn.Sequential(*_layers(list(live.melgan), mode))
        self.join = Join(pqmf)

    def forward(self, feats: Tensor) -> Tensor:
        """(B, T, D) -> (B, T hop)."""
        x = self.layers(self.normalise(feats).transpose(1, 2)[:, :, None])
        wave: Tensor = self.join(x[:, :, 0], WHOLE)
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
            out.append(_Upsampling(layer))
        elif not hasattr(layer, "padding"):
            out.append(layer)
    return out


class _Padded(nn.Module):
    def __init__(self, pad: Any, conv: Any, mode: str) -> None:
        super().__init__()
        self.reach, self.mode = int(pad.padding[0]), mode
        self.conv = flat(conv)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(F.pad(x, (self.reach, self.reach, 0, 0), mode=self.mode))
        return out


class _Upsampling(nn.Module):
    """Over steps: a transposed convolution has no blocked kernel, and so it becomes int8."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.conv = plain(live)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x.squeeze(2)).unsqueeze(2)
        return out


class _Stack(nn.Module):
    """`espnet2.gan_tts.melgan.residual_stack.ResidualStack`."""

    def __init__(self, live: Any, mode: str) -> None:
        super().__init__()
        self.first_act, pad, wide, self.second_act, narrow = live.stack
        self.wide = _Padded(pad, wide, mode)
        self.narrow, self.skip = flat(narrow), flat(live.skip_layer)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second_act(self.wide(self.first_act(x)))
        out: Tensor = self.narrow(y) + self.skip(x)
        return out
