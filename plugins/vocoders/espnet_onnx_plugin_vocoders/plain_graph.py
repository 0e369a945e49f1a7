"""Convolutions without their weight norm, and the sound of several bands as one.

Shapes: B utterances, C channels, K bands, T steps.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.weight_norm import WeightNorm

from .ends_graph import Ends

__all__ = ["Join", "flat", "plain"]


def plain(live: Any) -> Any:
    """A convolution as it computes now, as a module of its own."""
    names = ("stride", "padding", "dilation", "groups")
    options = {name: getattr(live, name) for name in names}
    kind: Any = next(k for k in _KINDS if isinstance(live, k))
    if kind is nn.ConvTranspose1d:
        options["output_padding"] = live.output_padding
    new: nn.Conv2d = nn.utils.skip_init(
        kind,
        live.in_channels,
        live.out_channels,
        live.kernel_size,
        bias=live.bias is not None,
        **options,
    )
    new.weight = nn.Parameter(_weight(live), requires_grad=False)
    if live.bias is not None:
        new.bias = nn.Parameter(live.bias.detach(), requires_grad=False)
    return new.eval()


def flat(live: Any) -> nn.Conv2d:
    """A convolution over steps as it computes now, over (B, C, 1, T): an image of height 1."""
    old = plain(live)
    new: nn.Conv2d = nn.utils.skip_init(
        nn.Conv2d,
        old.in_channels,
        old.out_channels,
        (1, old.kernel_size[0]),
        padding=(0, old.padding[0]),
        dilation=(1, old.dilation[0]),
        groups=old.groups,
        bias=old.bias is not None,
    )
    new.weight = nn.Parameter(old.weight[:, :, None], requires_grad=False)
    new.bias = old.bias
    new.eval()
    return new


_KINDS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d)


def _weight(live: Any) -> Tensor:
    """Under weight norm the attribute is what the last call of the layer left there."""
    norms = (h for h in vars(live)["_forward_pre_hooks"].values() if isinstance(h, WeightNorm))
    norm = next(norms, None)
    weight: Tensor = live.weight if norm is None else norm.compute_weight(live)
    return weight.detach().clone()


class Join(nn.Module):
    """`espnet2.gan_tts.melgan.pqmf.PQMF.synthesis` as one transposed convolution, or one band.

    ESPnet spreads the bands (K times as loud) over K times as many steps with zeros between them,
    then sums what K filters make of them.
    """

    weight: Tensor | None

    def __init__(self, pqmf: Any = None) -> None:
        """`pqmf`: the live filter bank; None for a generator of one band."""
        super().__init__()
        weight = None
        if pqmf is not None:
            self.bands = int(pqmf.subbands)
            filters = pqmf.synthesis_filter.detach()
            weight = filters.flip(2).transpose(0, 1) * self.bands
            self.taps = weight.shape[2] - 1
            self.reach = self.taps // 2 // self.bands + 1
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, x: Tensor, ends: Ends) -> Tensor:
        """(B, K, T) -> (B, K T)."""
        if self.weight is None:
            return x[:, 0]
        x = ends.zeros(x, self.reach)
        wave = F.conv_transpose1d(
            x,
            self.weight,
            stride=self.bands,
            padding=self.taps // 2,
            output_padding=self.bands - 1,
        )
        return wave[:, 0]
