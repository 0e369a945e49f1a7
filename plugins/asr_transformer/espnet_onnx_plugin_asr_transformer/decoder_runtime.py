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
from espnet_onnx.parts.slot_cache import SlotCache
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["DecoderState", "TransformerDecoderScorer", "build_decoder"]


@attrs.frozen
class DecoderState:
    """What the hypotheses of one moment have in common with the next.

    Attributes:
        memory: encoder lengths and cross-attention keys and values, by input name.
        cache: self-attention keys and values.
        ancestors: (B, H, U), the cache slots of every hypothesis, oldest token first.
        used: how many slots were written when this state was made.
    """

    memory: Mapping[str, Array]
    cache: SlotCache
    ancestors: Array
    used: int


class TransformerDecoderScorer:
    """Role `decoder`; see `roles.Scorer`. No token is computed twice.

    Cross-attention keys and values are computed once an utterance and shared by its hypotheses.
    Self-attention keys and values are written once, into a slot that later steps read in place.
    """

    def __init__(self, memory: Session, step: Session) -> None:
        self._memory, self._step = memory, step
        names = [name for name in step.inputs if name.startswith("past_")]
        self._past = {name: step.inputs[name] for name in names}
        self._memories = [name for name in step.inputs if name.startswith("memory_")]

    def start(self, encoder_out: Array, lengths: Array) -> DecoderState:
        """State of the empty hypothesis: (B, T, D) and lengths (B,)."""
        batch = len(encoder_out)
        memory = dict(zip(self._memories, self._memory(encoder_out=encoder_out), strict=True))
        memory["encoder_out_lengths"] = lengths.astype(np.int64)
        shapes = {name: (int(s[1]), int(s[3])) for name, s in self._past.items()}
        cache = SlotCache.empty(batch, shapes)
        return DecoderState(memory, cache, np.zeros((batch, 1, 0), np.int64), 0)

    def score(
        self, tokens: Array, state: DecoderState, parents: Array
    ) -> tuple[Array, DecoderState]:
        """(B, H, U) tokens, a state of (B, H') and (B, H) parents -> (B, H, V), a new state."""
        ancestors = np.take_along_axis(state.ancestors, parents[:, :, None], axis=1)
        cache, ancestors = state.cache.room(tokens.shape[1], ancestors, state.used)
        last = np.ascontiguousarray(tokens[:, :, -1])
        feed = {"tokens": last, "ancestors": ancestors, **state.memory, **cache.slots}
        log_probs, *rows = self._step(**feed)
        own = np.broadcast_to(cache.write(rows), last.shape)
        ancestors = np.concatenate([ancestors, own[:, :, None]], axis=2)
        return log_probs, DecoderState(state.memory, cache, ancestors, cache.used)

    def keep(self, state: DecoderState, utterances: Array) -> DecoderState:
        """The state of some of its utterances."""
        memory = {name: array[utterances] for name, array in state.memory.items()}
        cache, ancestors = state.cache.keep(utterances), state.ancestors[utterances]
        return DecoderState(memory, cache, ancestors, state.used)

    def extend(self, state: DecoderState, encoder_out: Array, keep: int | None) -> DecoderState:
        """The same hypotheses over (B, T, D) more encoder output; see `roles.GrowingScorer`."""
        memory, size = dict(state.memory), 0
        for name, new in zip(self._memories, self._memory(encoder_out=encoder_out), strict=True):
            axis = list(self._step.inputs[name]).index("encoder_frames")
            old = memory[name]
            if keep is not None:
                old = old.take(np.arange(max(0, old.shape[axis] - keep), old.shape[axis]), axis)
            memory[name] = np.concatenate((old, new), axis)
            size = memory[name].shape[axis]
        memory["encoder_out_lengths"] = np.full(len(encoder_out), size, np.int64)
        return attrs.evolve(state, memory=memory)


def build_decoder(
    node: Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> TransformerDecoderScorer:
    """The scorer of a decoder node."""
    return TransformerDecoderScorer(open_session("memory"), open_session("step"))
