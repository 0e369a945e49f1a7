"""How a Branchformer block makes one of its two branches.

Mirrors the `merge_method`s of `BranchformerEncoderLayer`.
Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from .linear import Affine
from .masks import FrameMask

__all__ = ["ConcatMerge", "FixedAverage", "LearnedAverage", "merge"]


def merge(live: Any) -> nn.Module:
    """The merge of a live `BranchformerEncoderLayer` with two branches.

    Raises:
        ModelError: its `merge_method` is none of ESPnet's.
    """
    if live.merge_method not in METHODS:
        raise ModelError(
            f"merge_method {live.merge_method} has no graph: there are {', '.join(METHODS)}"
        )
    module: nn.Module = METHODS[live.merge_method](live)
    return module


class ConcatMerge(nn.Module):
    """W [attention; cgmlp]."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.out = Affine.of(live.merge_proj)

    def forward(self, one: Tensor, two: Tensor, mask: FrameMask) -> Tensor:
        """Twice (B, T, D) -> (B, T, D)."""
        return self.out(torch.cat((one, two), -1))


class FixedAverage(nn.Module):
    """W ((1 - w) attention + w cgmlp) with the w of the config."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.out, self.weight = Affine.of(live.merge_proj), float(live.cgmlp_weight)

    def forward(self, one: Tensor, two: Tensor, mask: FrameMask) -> Tensor:
        """Twice (B, T, D) -> (B, T, D)."""
        return self.out((1 - self.weight) * one + self.weight * two)


class LearnedAverage(nn.Module):
    """As `FixedAverage`, with weights that each utterance's pooled branches decide."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.out = Affine.of(live.merge_proj)
        self.pools = nn.ModuleList(
            (
                _Pool(live.pooling_proj1, live.weight_proj1),
                _Pool(live.pooling_proj2, live.weight_proj2),
            )
        )

    def forward(self, one: Tensor, two: Tensor, mask: FrameMask) -> Tensor:
        """Twice (B, T, D) -> (B, T, D)."""
        says = [pool(x, mask.bias) for pool, x in zip(self.pools, (one, two), strict=True)]
        # A softmax over two.
        share = torch.sigmoid(says[0] - says[1])
        return self.out(share * one + (1 - share) * two)


class _Pool(nn.Module):
    def __init__(self, pooling: nn.Linear, weight: nn.Linear) -> None:
        super().__init__()
        self.pooling, self.weight = Affine.of(pooling), Affine.of(weight)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, T, D) and a frame bias (B, 1, 1, T) -> (B, 1, 1)."""
        scores = self.pooling(x).transpose(1, 2) / math.sqrt(x.shape[-1])
        pooled = torch.softmax(scores + bias[:, 0], -1) @ x
        return self.weight(pooled)


METHODS: dict[str, Any] = {
    "concat": ConcatMerge,
    "fixed_ave": FixedAverage,
    "learned_ave": LearnedAverage,
}
