"""Scores the next tokens of hypotheses with a Transformer decoder that attends to two sources.

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, T frames
of speech, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from espnet_onnx.parts.cached_hypotheses import CachedHypotheses, last_tokens
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

from .two_sources import unpack

__all__ = ["TwoSourceScorer"]


class TwoSourceScorer:
    """Role `decoder`, type `transformer_md`; see `roles.Scorer`. No token is computed twice.

    Its encoder output is a pack of both sources (`two_sources.pack`).

    Attributes:
        two_sources: says so to its parent.
    """

    two_sources = True

    def __init__(self, speech: Session, memory: Session, step: Session) -> None:
        self._speech, self._memory, self._step = speech, memory, step

    def start(self, encoder_out: Array, lengths: Array) -> CachedHypotheses:
        """State of the empty hypothesis: a pack of B utterances, and (B,) frames of speech."""
        speech, memory, memory_lengths = unpack(encoder_out)
        sources = {
            "speech_lengths": lengths.astype(np.int64),
            "memory_lengths": memory_lengths,
            **self._named("speech", self._speech(encoder_out=speech)),
            **self._named("memory", self._memory(encoder_out=memory)),
        }
        return CachedHypotheses.empty(len(encoder_out), self._step, sources)

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

    def _named(self, source: str, arrays: Sequence[Array]) -> dict[str, Array]:
        kinds = (f"{source}_key_", f"{source}_value_")
        names = [name for name in self._step.inputs if name.startswith(kinds)]
        return dict(zip(names, arrays, strict=True))
