"""The convolutions in front of a text encoder and behind a decoder of frames.

Mirrors `convs` of `espnet...tacotron2.encoder.Encoder` and `postnet` of its decoder.
Shapes: B utterances, T frames or tokens, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .linear import check_plain
from .windows import TimeConv

__all__ = ["PaddedConvs"]


class PaddedConvs(nn.Module):
    """Convolutions that keep the length, each with batch norm, activation or neither.

    Every layer reads zeros behind an utterance's end, as it does where the utterance is alone.

    Args:
        live: a Sequential for each layer.
        residual: every layer's output is added to its input (`use_residual`).
    """

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, valid: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Sequence[Any], residual: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_layer(layer) for layer in live)
        self.residual = residual

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, D) and (B, T, 1), 1 on real frames -> (B, T, D')."""
        for layer in self.layers:
            y = layer(x * valid)
            x = x + y if self.residual else y
        return x


def _layer(live: Any) -> nn.Sequential:
    conv, *rest = (module for module in live if not isinstance(module, nn.Dropout))
    check_plain(conv, nn.Conv1d)
    if rest and isinstance(rest[0], nn.BatchNorm1d):
        check_plain(rest[0], nn.BatchNorm1d)
        conv = fuse_conv_bn_eval(conv, rest.pop(0))
    return nn.Sequential(TimeConv(conv), *(type(module)() for module in rest))
