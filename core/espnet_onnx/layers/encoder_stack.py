"""The Transformer and Conformer encoders that speech synthesis is built of.

Mirrors `espnet...transformer.encoder.Encoder` and its Conformer namesake, without their branches
for CTC.
Shapes: B utterances, T frames, F features, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from .encoder_block import EncoderBlock
from .encoder_input import EncoderInput
from .live_classes import TABLE, attention_class
from .masks import FrameMask
from .norm import Norm

__all__ = ["EncoderStack"]


class EncoderStack(nn.Module):
    """Input layer, blocks, last norm."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, FrameMask]:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        """Share the weights of `live`, an `Encoder` of either kind."""
        super().__init__()
        self.input = EncoderInput(live.embed, TABLE)
        self.blocks = nn.ModuleList(
            EncoderBlock(block, attention_class(block.self_attn)) for block in live.encoders
        )
        self.norm = Norm(live.after_norm) if live.normalize_before else None

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, FrameMask]:
        """(B, T, F) features, or (B, T) tokens, and (B,) -> (B, T', D) and its mask."""
        x, mask, position = self.input(x, lengths)
        for block in self.blocks:
            x = block(x, mask, position)
        return (x if self.norm is None else self.norm(x)), mask
