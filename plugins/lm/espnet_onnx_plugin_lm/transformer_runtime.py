"""Scores the next tokens of hypotheses with a Transformer language model.

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, D width, T frames, V
tokens.
"""

from __future__ import annotations

import attrs
import numpy as np

from espnet_onnx.parts.slot_cache import SlotCache
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["TransformerLMScorer", "TransformerLMState"]


@attrs.frozen
class TransformerLMState:
    """What the hypotheses of one moment have in common with the next.

    Attributes:
        cache: keys and values.
        ancestors: (B, H, U), the cache slots that every hypothesis sees.
        used: how many slots were written when this state was made.
    """

    cache: SlotCache
    ancestors: Array
    used: int


class TransformerLMScorer:
    """Role `lm`; see `roles.Scorer`. No token is computed twice."""

    def __init__(self, step: Session) -> None:
        self._step = step
        past = {name: shape for name, shape in step.inputs.items() if name.startswith("past_")}
        self._shapes = {name: (int(shape[1]), int(shape[3])) for name, shape in past.items()}

    def start(self, encoder_out: Array, lengths: Array) -> TransformerLMState:
        """State of the empty hypothesis; of (B, T, D) and (B,) only B counts."""
        batch = len(lengths)
        cache = SlotCache.empty(batch, self._shapes)
        return TransformerLMState(cache, np.zeros((batch, 1, 0), np.int64), 0)

    def score(
        self, tokens: Array, state: TransformerLMState, parents: Array
    ) -> tuple[Array, TransformerLMState]:
        """(B, H, U) tokens, a state of (B, H') and (B, H) parents -> (B, H, V), a new state."""
        ancestors = np.take_along_axis(state.ancestors, parents[:, :, None], axis=1)
        cache, ancestors = state.cache.room(tokens.shape[1], ancestors, state.used)
        last = np.ascontiguousarray(tokens[:, :, -1])
        log_probs, *rows = self._step(tokens=last, ancestors=ancestors, **cache.slots)
        own = np.broadcast_to(cache.write(rows), last.shape)
        if ancestors.shape[2]:
            # `TransformerLM._target_mask` hides token 0: the slot of <sos> takes its place.
            own = np.where(last == 0, ancestors[:, :, 0], own)
        ancestors = np.concatenate([ancestors, own[:, :, None]], axis=2)
        return log_probs, TransformerLMState(cache, ancestors, cache.used)

    def keep(self, state: TransformerLMState, utterances: Array) -> TransformerLMState:
        """The state of some of its utterances."""
        cache, ancestors = state.cache.keep(utterances), state.ancestors[utterances]
        return TransformerLMState(cache, ancestors, state.used)
