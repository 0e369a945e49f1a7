"""One block of a decoder that sees all places at once (needs torch).

Shapes: B utterances, T frames, U tokens, D width, N heads, K width of a head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from .attention import SelfAttention
from .cached_attention import SharedCrossAttention
from .decoder_block import FeedForward, Residual

__all__ = ["OpenDecoderBlock"]


class OpenDecoderBlock(nn.Module):
    """ESPnet's `DecoderLayer.forward` where every token attends to every other.

    Args:
        layer: a live `DecoderLayer` without `sequential_attn`.
    """

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, bias: Tensor, memory: tuple[Tensor, ...]) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        before, concat = layer.normalize_before, layer.concat_after
        self.self_attn = SelfAttention(layer.self_attn)
        self.src_attn = SharedCrossAttention(layer.src_attn)
        self.feed_forward = FeedForward(layer.feed_forward)
        self.first = Residual(layer.norm1, before, layer.concat_linear1 if concat else None)
        self.second = Residual(layer.norm2, before, layer.concat_linear2 if concat else None)
        self.third = Residual(layer.norm3, before)

    def forward(self, x: Tensor, bias: Tensor, memory: tuple[Tensor, ...]) -> Tensor:
        """All places of a batch.

        Args:
            x: (B, U, D).
            bias: (B, 1, 1, U), very negative on padding.
            memory: cross-attention keys (B, N, K, T) and values (B, N, T, K), and the bias of
                padded frames.

        Returns:
            (B, U, D).
        """
        entered = self.first.enter(x)
        x = self.first.leave(x, entered, self.self_attn(entered, bias, ()))
        entered = self.second.enter(x)
        # The places of an utterance share its memory as the hypotheses of a search do.
        crossed = self.src_attn(entered.flatten(0, 1), *memory).view(x.shape)
        x = self.second.leave(x, entered, crossed)
        entered = self.third.enter(x)
        return self.third.leave(x, entered, self.feed_forward(entered))
