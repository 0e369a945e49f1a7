"""One block of a Branchformer encoder.

Mirrors `espnet2...branchformer_encoder.BranchformerEncoderLayer`; dropping the attention branch
or the whole block at random is for training only.
Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .cgmlp import GatingMlp
from .linear import Affine
from .masks import FrameMask
from .merge import merge
from .norm import Norm
from .positions import Position

__all__ = ["BranchformerBlock"]


class BranchformerBlock(nn.Module):
    """x + merge(attention(norm(x)), cgmlp(norm(x))), or one branch alone; then a norm."""

    def __init__(self, live: Any, attention: nn.Module | None) -> None:
        """Share the weights of `live`; `attention` is the graph form of its attention, if any."""
        super().__init__()
        self.attention = attention
        self.attention_norm = None if attention is None else Norm(live.norm_mha)
        self.mlp = None if live.cgmlp is None else GatingMlp(live.cgmlp)
        self.mlp_norm = None if live.cgmlp is None else Norm(live.norm_mlp)
        self.merge = merge(live) if live.use_two_branches else None
        # A fixed average that is all one branch keeps its projection.
        alone = self.merge is None and not isinstance(live.merge_proj, nn.Identity)
        self.out = Affine.of(live.merge_proj) if alone else None
        self.final_norm = Norm(live.norm_final)

    def forward(self, x: Tensor, mask: FrameMask, position: Position) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        branches: list[Tensor] = []
        if self.attention is not None and self.attention_norm is not None:
            branches.append(self.attention(self.attention_norm(x), mask.bias, position))
        if self.mlp is not None and self.mlp_norm is not None:
            branches.append(self.mlp(self.mlp_norm(x), mask.valid))
        out = branches[0] if self.merge is None else self.merge(*branches, mask)
        return self.final_norm(x + (out if self.out is None else self.out(out)))
