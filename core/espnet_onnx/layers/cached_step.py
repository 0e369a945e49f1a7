"""What steps of cached decoding have in common: both ends of their graphs, and the axes.

Shapes: B utterances, H hypotheses an utterance, R = B * H rows, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .cached_attention import Affine, key_value_names
from .positions import Sinusoids

__all__ = ["StepEmbedding", "StepOutput", "StepPositions", "step_axes"]


class StepPositions(nn.Module):
    """`PositionalEncoding` or `ScaledPositionalEncoding`, where a step has one position.

    Args:
        live: either of them.
        width: D.
    """

    rates: Tensor

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, position: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any, width: int) -> None:
        super().__init__()
        self.register_buffer("rates", Sinusoids(width).rates, persistent=False)
        # ScaledPositionalEncoding scales the positions, PositionalEncoding the embedding.
        self.alpha = getattr(live, "alpha", None)
        self.scale = 1.0 if self.alpha is not None else live.xscale

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """(..., D) at a position (1,), or at one of its own for each utterance, (B, 1, 1)."""
        angles = self.rates * position
        encoding = torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)
        if self.alpha is not None:
            encoding = self.alpha * encoding
        return x * self.scale + encoding


class StepEmbedding(nn.Module):
    """`TransformerDecoder.embed` of one token of every hypothesis.

    Args:
        embed: the live embedding and its positional encoding.
    """

    if TYPE_CHECKING:

        def __call__(self, tokens: Tensor, position: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, embed: Any) -> None:
        super().__init__()
        self.embed = embed[0]
        self.positions = StepPositions(embed[-1], self.embed.embedding_dim)

    def forward(self, tokens: Tensor, position: Tensor) -> Tensor:
        """(B, H) tokens at a position, see `StepPositions` -> (R, D)."""
        return self.positions(self.embed(tokens), position).flatten(0, 1)


class StepOutput(nn.Module):
    """What stands behind the blocks of a decoder.

    Args:
        norm: the live norm behind the last block, None where there is none.
        linear: the live output layer.
    """

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, shape: Sequence[int]) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, norm: nn.Module | None, linear: Any) -> None:
        super().__init__()
        self.norm = nn.Identity() if norm is None else norm
        self.linear = Affine(linear)

    def forward(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """(R, D), and (B, H) itself -> log probabilities (B, H, V)."""
        return torch.log_softmax(self.linear(self.norm(x)), -1).view(*shape, -1)


def step_axes(blocks: int, new: str = "") -> Mapping[str, Sequence[str | None]]:
    """Axes of what such a step takes and returns beside its sources.

    Args:
        blocks: those with a cache.
        new: what the names of new keys and values begin with.
    """
    past, fresh = ("batch", None, "slots", None), ("batch", None, "beams", None)
    return {
        "tokens": ("batch", "beams"),
        "ancestors": ("batch", "beams", "past"),
        "prefix": ("batch", "beams", None),
        "log_probs": ("batch", "beams", None),
        **dict.fromkeys(key_value_names("past_", blocks), past),
        **dict.fromkeys(key_value_names(new, blocks), fresh),
    }
