"""Scores the next tokens of hypotheses with a Transformer decoder that attends to two sources.

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, T frames
of speech, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from espnet_onnx.parts.slot_cache import SlotCache
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

from .two_sources import unpack

__all__ = ["TwoSourceScorer", "TwoSourceState"]


@attrs.frozen
class TwoSourceState:
    """What the hypotheses of one moment have in common with the next.

    Attributes:
        sources: lengths, and cross-attention keys and values of both, by input name.
        cache: self-attention keys and values.
        ancestors: (B, H, U), the cache slots of every hypothesis, oldest token first.
        used: how many slots were written when this state was made.
    """

    sources: Mapping[str, Array]
    cache: SlotCache
    ancestors: Array
    used: int


class TwoSourceScorer:
    """Role `decoder`, type `transformer_md`; see `roles.Scorer`. No token is computed twice.

    Its encoder output is a pack of both sources (`two_sources.pack`).

    Attributes:
        two_sources: says so to its parent.
    """

    two_sources = True

    def __init__(self, speech: Session, memory: Session, step: Session) -> None:
        self._speech, self._memory, self._step = speech, memory, step
        past = {name: shape for name, shape in step.inputs.items() if name.startswith("past_")}
        self._shapes = {name: (int(shape[1]), int(shape[3])) for name, shape in past.items()}

    def start(self, encoder_out: Array, lengths: Array) -> TwoSourceState:
        """State of the empty hypothesis: a pack of B utterances, and (B,) frames of speech."""
        speech, memory, memory_lengths = unpack(encoder_out)
        sources = {
            "speech_lengths": lengths.astype(np.int64),
            "memory_lengths": memory_lengths,
            **self._named("speech", self._speech(encoder_out=speech)),
            **self._named("memory", self._memory(encoder_out=memory)),
        }
        batch = len(encoder_out)
        cache = SlotCache.empty(batch, self._shapes)
        return TwoSourceState(sources, cache, np.zeros((batch, 1, 0), np.int64), 0)

    def score(
        self, tokens: Array, state: TwoSourceState, parents: Array
    ) -> tuple[Array, TwoSourceState]:
        """(B, H, U) tokens, a state of (B, H') and (B, H) parents -> (B, H, V), a new state."""
        ancestors = np.take_along_axis(state.ancestors, parents[:, :, None], axis=1)
        cache, ancestors = state.cache.room(tokens.shape[1], ancestors, state.used)
        last = np.ascontiguousarray(tokens[:, :, -1])
        feed = {"tokens": last, "ancestors": ancestors, **state.sources, **cache.slots}
        log_probs, *rows = self._step(**feed)
        own = np.broadcast_to(cache.write(rows), last.shape)
        ancestors = np.concatenate([ancestors, own[:, :, None]], axis=2)
        return log_probs, TwoSourceState(state.sources, cache, ancestors, cache.used)

    def keep(self, state: TwoSourceState, utterances: Array) -> TwoSourceState:
        """The state of some of its utterances."""
        sources = {name: array[utterances] for name, array in state.sources.items()}
        cache, ancestors = state.cache.keep(utterances), state.ancestors[utterances]
        return TwoSourceState(sources, cache, ancestors, state.used)

    def _named(self, source: str, arrays: Sequence[Array]) -> dict[str, Array]:
        kinds = (f"{source}_key_", f"{source}_value_")
        names = [name for name in self._step.inputs if name.startswith(kinds)]
        return dict(zip(names, arrays, strict=True))
