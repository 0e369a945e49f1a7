"""Inputs for the graphs of a recurrent decoder, and what ESPnet says to them (needs torch).

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, T encoder frames, D
encoder width, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from espnet_onnx.types import Array, Feed

from .location_export import OVER_FRAMES

__all__ = ["DecoderReference", "Replay", "attention_states"]


def attention_states(a_prev: Any, names: Sequence[str]) -> list[Tensor]:
    """What a live attention hands on, batch 1, as the states that a `Location` names.

    Args:
        a_prev: weights (1, T) or (1, W, T); a list of weights, one a head or, for coverage, one
            a step; or weights with the state of an LSTM.
        names: the location's states.
    """
    if not names:
        return []
    if isinstance(a_prev, tuple):
        weights, states = a_prev
        return [weights, *(state[0] for state in states)]
    if isinstance(a_prev, list):
        weights = torch.cat(a_prev)
        return [weights.sum(0, keepdim=True) if names == ["coverage"] else weights]
    return [a_prev[0] if a_prev.dim() == 3 else a_prev]


@attrs.frozen
class Replay:
    """What a live decoder computes over one prefix, step by step.

    Attributes:
        log_probs: (V,), behind the last token.
        before: states before the last token, by name; None before the first.
        after: states behind it.
    """

    log_probs: Tensor
    before: Mapping[str, Array] | None
    after: Mapping[str, Array]

    @classmethod
    def of(cls, decoder: Any, prefix: Tensor, encoder_out: Tensor, names: Sequence[str]) -> Replay:
        """`RNNDecoder.score` on (U,) tokens of one utterance (T, D), from `init_state` on."""
        state = decoder.init_state(encoder_out)
        before, after = None, None
        with torch.no_grad():
            for end in range(1, len(prefix) + 1):
                log_probs, state = decoder.score(prefix[:end], state, encoder_out)
                before, after = after, _named(state, names)
        assert after is not None
        return cls(log_probs, before, after)


def _named(state: Mapping[str, Any], names: Sequence[str]) -> dict[str, Array]:
    """The state of a live decoder by our names, without a batch axis."""
    out, attention = {}, []
    for name in names:
        what, _, layer = name.partition("_")
        if what in ("z", "c"):
            out[name] = state[f"{what}_prev"][int(layer)][0].numpy().copy()
        else:
            attention.append(name)
    tensors = attention_states(state["a_prev"], attention)
    return out | {n: t.numpy().copy() for n, t in zip(attention, tensors, strict=True)}


class DecoderReference:
    """Feeds and references of the graphs `memory` and `step`, through the untouched decoder.

    Args:
        decoder: a live `RNNDecoder`.
        memory: the `DecoderMemory`, which makes feeds but no reference.
        states: names of the states.
    """

    def __init__(self, decoder: Any, memory: Any, states: Sequence[str]) -> None:
        self._decoder, self._memory, self._states = decoder, memory, states
        self._vocabulary, units = decoder.embed.weight.shape
        self._width = decoder.decoder[0].weight_ih.shape[1] - units

    def memory_feed(self, lengths: Sequence[int]) -> Feed:
        """Encoder output of the given lengths."""
        shape = (len(lengths), max(lengths), self._width)
        encoder_out = np.random.default_rng(sum(lengths)).standard_normal(shape, dtype=np.float32)
        return {"encoder_out": encoder_out, "encoder_out_lengths": np.array(lengths, np.int64)}

    def memory(self, feed: Feed) -> Feed:
        """What the live attention keeps of an utterance, and the states it starts from."""
        encoder_out = torch.from_numpy(feed["encoder_out"])
        frames = encoder_out.shape[1]
        attention = self._decoder.att_list[0]
        attention.reset()
        with torch.no_grad():
            context, _ = attention(encoder_out, [frames], None, None)
        return {**_kept(attention, context), **self._first(frames)}

    def step_feed(self, lengths: Sequence[int]) -> Feed:
        """Random prefixes and the states before their last tokens.

        Beams and past sizes follow from the lengths; some are as in a search's first step.
        """
        rng = np.random.default_rng(sum(lengths))
        batch, past = len(lengths), max(lengths) % 5 + len(lengths) - 1
        beams = 1 if past == 0 else 1 + batch
        prefix = rng.integers(0, self._vocabulary, (batch, beams, past + 1))
        feed = self.memory_feed(lengths)
        tensors = [torch.from_numpy(array) for array in feed.values()]
        with torch.no_grad():
            made = self._memory(*tensors)
        names = [*self._memory.attention.memory, *(f"past_{name}" for name in self._states)]
        memory = {name: t.numpy() for name, t in zip(names, made, strict=True)}
        return {
            "tokens": prefix[:, :, -1],
            "prefix": prefix,
            **feed,
            **memory,
            **self._past(feed, prefix),
        }

    def step(self, feed: Feed) -> Feed:
        """`RNNDecoder.score` over the whole prefixes of one utterance."""
        replays = self._replays(feed["prefix"][0], feed["encoder_out"][0])
        out = {name: np.stack([r.after[name] for r in replays])[None] for name in self._states}
        return {"log_probs": torch.stack([r.log_probs for r in replays])[None].numpy(), **out}

    def _replays(self, prefixes: Array, encoder_out: Array) -> list[Replay]:
        """Of (H, U) prefixes and one utterance (T, D)."""
        memory = torch.from_numpy(encoder_out)
        return [
            Replay.of(self._decoder, torch.from_numpy(prefix), memory, self._states)
            for prefix in prefixes
        ]

    def _past(self, feed: Feed, prefix: Array) -> dict[str, Array]:
        """States before the last token of (B, H, U + 1) prefixes; zero on padding."""
        frames = feed["encoder_out"].shape[1]
        rows = []
        for b, length in enumerate(feed["encoder_out_lengths"]):
            first = {name[5:]: array[0, 0] for name, array in self._first(int(length)).items()}
            replays = self._replays(prefix[b], feed["encoder_out"][b, :length])
            rows.append([first if r.before is None else r.before for r in replays])
        return {
            f"past_{name}": np.stack(
                [np.stack([_padded(name, state[name], frames) for state in row]) for row in rows]
            )
            for name in self._states
        }

    def _first(self, frames: int) -> dict[str, Array]:
        """States of the empty hypothesis: uniform weights, or zeros; (1, 1, ...)."""
        sizes = self._memory.attention.location.states
        units = [cell.hidden_size for cell in self._decoder.decoder]
        out = {}
        for name in self._states:
            if name in OVER_FRAMES:
                array = np.full((1, 1, sizes[name], frames), 1 / frames, np.float32)
            else:
                size = sizes.get(name) or units[0]
                array = np.zeros((1, 1, size), np.float32)
            out[f"past_{name}"] = array
        return out


def _kept(attention: Any, context: Tensor) -> dict[str, Array]:
    """What a live attention has computed once for its utterance, as the graph names it."""
    if hasattr(attention, "mlp_k"):
        pairs = {"key": attention.pre_compute_k, "value": attention.pre_compute_v}
        return {f"memory_{name}": torch.stack(t, 1).numpy() for name, t in pairs.items()}
    if attention.pre_compute_enc_h is None:
        return {"memory_context": context[:, None].numpy()}
    return {"memory_key": attention.pre_compute_enc_h[:, None].numpy()}


def _padded(name: str, array: Array, frames: int) -> Array:
    if name not in OVER_FRAMES:
        return array
    return np.pad(array, [(0, 0), (0, frames - array.shape[-1])])
