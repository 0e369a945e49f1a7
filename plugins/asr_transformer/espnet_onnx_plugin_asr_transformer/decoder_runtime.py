"""Scores the next tokens of hypotheses with a Transformer decoder.

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, T encoder
frames, D width, N heads, K width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from espnet_onnx import Node
from espnet_onnx.parts.cached_hypotheses import CachedHypotheses, last_tokens
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["TransformerDecoderScorer", "build_decoder"]


class TransformerDecoderScorer:
    """Role `decoder`; see `roles.Scorer`. No token is computed twice.

    Cross-attention keys and values are computed once an utterance and shared by its hypotheses.
    Self-attention keys and values are written once, into a slot that later steps read in place.
    """

    def __init__(self, memory: Session, step: Session) -> None:
        self._memory, self._step = memory, step
        self._memories = [name for name in step.inputs if name.startswith("memory_")]

    def start(self, encoder_out: Array, lengths: Array) -> CachedHypotheses:
        """State of the empty hypothesis: (B, T, D) and lengths (B,)."""
        memory = dict(zip(self._memories, self._memory(encoder_out=encoder_out), strict=True))
        memory["encoder_out_lengths"] = lengths.astype(np.int64)
        return CachedHypotheses.empty(len(encoder_out), self._step, memory)

    def score(
        self, tokens: Array, state: CachedHypotheses, parents: Array
    ) -> tuple[Array, CachedHypotheses]:
        """(B, H, U) tokens, a state of (B, H') and (B, H) parents -> (B, H, V), a new state."""
        grown = state.children(parents)
        log_probs, *rows = self._step(tokens=last_tokens(tokens), **grown.feed)
        return log_probs, grown.append(rows)

    def keep(self, state: CachedHypotheses, utterances: Array) -> CachedHypotheses:
        """The state of some of its utterances."""
        return state.keep(utterances)

    def extend(
        self, state: CachedHypotheses, encoder_out: Array, keep: int | None
    ) -> CachedHypotheses:
        """The same hypotheses over (B, T, D) more encoder output; see `roles.GrowingScorer`."""
        memory, size = dict(state.sources), 0
        for name, new in zip(self._memories, self._memory(encoder_out=encoder_out), strict=True):
            axis = list(self._step.inputs[name]).index("encoder_frames")
            old = memory[name]
            if keep is not None:
                old = old.take(np.arange(max(0, old.shape[axis] - keep), old.shape[axis]), axis)
            memory[name] = np.concatenate((old, new), axis)
            size = memory[name].shape[axis]
        memory["encoder_out_lengths"] = np.full(len(encoder_out), size, np.int64)
        return attrs.evolve(state, sources=memory)


def build_decoder(
    node: Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> TransformerDecoderScorer:
    """The scorer of a decoder node."""
    return TransformerDecoderScorer(open_session("memory"), open_session("step"))
