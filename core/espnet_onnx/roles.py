"""What a parent may expect of a child at run time.

Shapes: B utterances, S samples, T frames, D width, V tokens, H hypotheses an utterance.
Arrays are numpy; lengths are int64 of shape (B,). Nothing here may import torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from .types import Array

__all__ = ["CTC", "Encoded", "Encoder", "Frontend", "Scorer", "Session", "Transform"]


class Session(Protocol):
    """An open ONNX graph."""

    @property
    def inputs(self) -> Mapping[str, Sequence[int | str]]:
        """Input name -> shape; a dynamic axis is its name."""

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        """Run the graph; outputs in the graph's own order."""


class Frontend(Protocol):
    """Role `frontend`: waveform to features."""

    def __call__(self, speech: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, S) float32 and lengths in samples -> (B, T, D) and lengths in frames."""


class Transform(Protocol):
    """Roles `normalize`, `preencoder`, `postencoder`: features to features."""

    def __call__(self, feats: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, T, D) and lengths -> (B, T', D') and lengths."""


@attrs.frozen
class Encoded:
    """What an encoder returns: `out` (B, T, D), `lengths` (B,), `inter` block number -> (B, T, D)."""

    out: Array
    lengths: Array
    inter: Mapping[int, Array] = attrs.field(factory=dict)


class Encoder(Protocol):
    """Role `encoder`. `shortest` is the fewest input frames it accepts."""

    shortest: int

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        """(B, T, D) features and lengths -> Encoded."""


class CTC(Protocol):
    """Role `ctc`."""

    def __call__(self, encoder_out: Array) -> Array:
        """(B, T, D) -> (B, T, V) log probabilities."""


class Scorer(Protocol):
    """Roles `decoder` and `lm` in a label-synchronous search: scores every next token.

    The search owns no state: it hands back what `start` or `score` returned, with `parents`
    telling from which row of that state each hypothesis now grows.
    """

    def start(self, encoder_out: Array, lengths: Array) -> Any:
        """State of the empty hypothesis, one row an utterance; what one utterance needs once
        (cross-attention keys and values) is computed here and shared by all its hypotheses."""

    def score(self, tokens: Array, state: Any, parents: Array) -> tuple[Array, Any]:
        """Score one step.

        Args:
            tokens: (B, H, U) int64, the hypotheses so far, <sos> first; all have length U.
            state: what the last call returned for (B, H') hypotheses, H' the old count.
            parents: (B, H) int64 in [0, H'), the old hypothesis each new one extends.

        Returns:
            log_probs (B, H, V) float32 and the new state.
        """
