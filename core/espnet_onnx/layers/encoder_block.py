"""One block of a Transformer or Conformer encoder.

Mirrors `espnet...transformer.encoder_layer.EncoderLayer` and its Conformer namesake; skipping
layers at random is for training only.
Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .attention import SelfAttention
from .cgmlp import GatingMlp
from .convolution import ConvolutionModule
from .feed_forward import FeedForward
from .linear import Affine
from .masks import FrameMask
from .multiconv_cgmlp import MultiGatingUnit
from .norm import Norm
from .positions import Position

__all__ = ["EncoderBlock"]


class EncoderBlock(nn.Module):
    """[half feed-forward,] self-attention, [convolution,] feed-forward, [final norm]."""

    def __init__(self, live: Any, attention: type[SelfAttention]) -> None:
        """Share the weights of `live`, an `EncoderLayer` of either encoder."""
        super().__init__()
        self.before = before = bool(live.normalize_before)
        conformer = hasattr(live, "norm_mha")
        macaron = getattr(live, "feed_forward_macaron", None)
        convolution = getattr(live, "conv_module", None)
        scale = 1.0 if macaron is None else float(live.ff_scale)
        self.macaron = macaron and _Sublayer(
            FeedForward(macaron), live.norm_ff_macaron, before, scale
        )
        self.attention_norm = Norm(live.norm_mha if conformer else live.norm1)
        self.attention = attention(live.self_attn)
        self.concat = Affine.of(live.concat_linear) if live.concat_after else None
        self.convolution = convolution and _Sublayer(
            _convolution(convolution), live.norm_conv, before
        )
        norm_ff = live.norm_ff if conformer else live.norm2
        self.feed_forward = _Sublayer(FeedForward(live.feed_forward), norm_ff, before, scale)
        self.final_norm = convolution and Norm(live.norm_final)

    def forward(self, x: Tensor, mask: FrameMask, position: Position) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        if self.macaron is not None:
            x = self.macaron(x, mask.valid)
        x = self.attend(x, mask, position)
        if self.convolution is not None:
            x = self.convolution(x, mask.valid)
        x = self.feed_forward(x, mask.valid)
        return x if self.final_norm is None else self.final_norm(x)

    def attend(self, x: Tensor, mask: FrameMask, position: Position) -> Tensor:
        """x + attention(x), or with `concat` x + W [x; attention(x)], normed before or after."""
        inner = self.attention_norm(x) if self.before else x
        out = self.attention(inner, mask.bias, position)
        if self.concat is not None:
            out = self.concat(torch.cat((inner, out), -1))
        return x + out if self.before else self.attention_norm(x + out)


def _convolution(live: Any) -> nn.Module:
    """A Conformer's convolution module, or the gating MLP that stands for it."""
    if hasattr(live, "csgu"):
        return GatingMlp(live, MultiGatingUnit)
    return ConvolutionModule(live)


class _Sublayer(nn.Module):
    """x + scale f(norm(x)), or norm(x + scale f(x))."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, valid: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(
        self, inner: nn.Module, norm: nn.LayerNorm, before: bool, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.inner, self.norm = inner, Norm(norm)
        self.before, self.scale = before, scale

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        out = self.inner(self.norm(x) if self.before else x, valid)
        if self.scale != 1.0:
            out = out * self.scale
        return x + out if self.before else self.norm(x + out)
