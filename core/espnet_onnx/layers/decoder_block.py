"""One block of a Transformer decoder, one step at a time (needs torch).

Shapes: B utterances, H hypotheses an utterance, R = B * H rows, S cache slots, T encoder frames,
D width, N heads, K width of a head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .cached_attention import Affine, CachedSelfAttention, SharedCrossAttention

__all__ = ["CachedDecoderBlock", "FeedForward", "Residual"]


class Residual(nn.Module):
    """How a sublayer joins the stream, as ESPnet's `DecoderLayer` has it.

    Args:
        norm: the sublayer's live layer norm.
        before: the norm comes before the sublayer, else after the sum.
        concat: live linear over [input; output] of the sublayer (`concat_after`), or None.
    """

    def __init__(self, norm: nn.Module, before: bool, concat: Any = None) -> None:
        super().__init__()
        self.norm, self.before = norm, before
        self.concat = None if concat is None else Affine(concat)

    def enter(self, x: Tensor) -> Tensor:
        """What the sublayer reads."""
        normed: Tensor = self.norm(x) if self.before else x
        return normed

    def leave(self, x: Tensor, entered: Tensor, y: Tensor) -> Tensor:
        """The stream behind a sublayer that read `entered` and returned `y`."""
        if self.concat is not None:
            y = self.concat(torch.cat([entered, y], -1))
        total: Tensor = x + y if self.before else self.norm(x + y)
        return total


class FeedForward(nn.Module):
    """ESPnet's `PositionwiseFeedForward`."""

    def __init__(self, feed_forward: Any) -> None:
        super().__init__()
        self.w_1, self.w_2 = Affine(feed_forward.w_1), Affine(feed_forward.w_2)
        self.activation = feed_forward.activation

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        y: Tensor = self.w_2(self.activation(self.w_1(x)))
        return y


class CachedDecoderBlock(nn.Module):
    """ESPnet's `DecoderLayer.forward` with a cache of keys and values.

    Args:
        layer: a live `DecoderLayer` without `sequential_attn`.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        before, concat = layer.normalize_before, layer.concat_after
        self.self_attn = CachedSelfAttention(layer.self_attn)
        self.src_attn = SharedCrossAttention(layer.src_attn)
        self.feed_forward = FeedForward(layer.feed_forward)
        self.first = Residual(layer.norm1, before, layer.concat_linear1 if concat else None)
        self.second = Residual(layer.norm2, before, layer.concat_linear2 if concat else None)
        self.third = Residual(layer.norm3, before)

    def forward(
        self,
        x: Tensor,
        memory: tuple[Tensor, Tensor, Tensor],
        past: tuple[Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step.

        Args:
            x: (R, D).
            memory: keys (B, N, K, T) and values (B, N, T, K), and the bias of padded frames.
            past: keys and values (B, N, S, K), and the slots that each hypothesis sees.

        Returns:
            (R, D), and the new slots' keys and values, (B, N, H, K) each.
        """
        entered = self.first.enter(x)
        y, key, value = self.self_attn(entered, *past)
        x = self.first.leave(x, entered, y)
        entered = self.second.enter(x)
        x = self.second.leave(x, entered, self.src_attn(entered, *memory))
        entered = self.third.enter(x)
        return self.third.leave(x, entered, self.feed_forward(entered)), key, value
