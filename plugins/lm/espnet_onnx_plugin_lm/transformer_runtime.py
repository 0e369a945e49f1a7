"""Scores the next tokens of hypotheses with a Transformer language model.

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, D width, T frames, V
tokens.
"""

from __future__ import annotations

from espnet_onnx.parts.cached_hypotheses import CachedHypotheses, last_tokens
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["TransformerLMScorer"]


class TransformerLMScorer:
    """Role `lm`; see `roles.Scorer`. No token is computed twice."""

    def __init__(self, step: Session) -> None:
        self._step = step

    def start(self, encoder_out: Array, lengths: Array) -> CachedHypotheses:
        """State of the empty hypothesis; of (B, T, D) and (B,) only B counts."""
        return CachedHypotheses.empty(len(lengths), self._step, {})

    def score(
        self, tokens: Array, state: CachedHypotheses, parents: Array
    ) -> tuple[Array, CachedHypotheses]:
        """(B, H, U) tokens, a state of (B, H') and (B, H) parents -> (B, H, V), a new state."""
        last, grown = last_tokens(tokens), state.children(parents)
        log_probs, *rows = self._step(tokens=last, **grown.feed)
        # `TransformerLM._target_mask` hides token 0: the slot of <sos> takes its place.
        return log_probs, grown.append(rows, hidden=last == 0)

    def keep(self, state: CachedHypotheses, utterances: Array) -> CachedHypotheses:
        """The state of some of its utterances."""
        return state.keep(utterances)
