"""Inputs for the graphs of a Transformer-TTS, and what ESPnet says to them.

Shapes: B utterances, U tokens, D width, S steps, L layers and P units of the prenet, R frames a
step, O features a frame, N heads, K width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import mock

import attrs
import numpy as np
import torch
from torch import Tensor

from espnet_onnx.layers.cached_replay import Replay
from espnet_onnx.layers.live_dropout import injected_dropout
from espnet_onnx.layers.live_encoder import unchanged
from espnet_onnx.layers.tts_conditions import random_text, spoken_text
from espnet_onnx.types import Array, Feed, Graph

__all__ = ["EncoderReference", "PastReference", "StepReference"]

# Slots of the test cache that no step has filled: what they hold must not matter.
SPARE = 3


class _Heard(Exception):
    """The decoder has been reached."""

    def __init__(self, memory: Tensor) -> None:
        super().__init__()
        self.memory = memory


@attrs.frozen
class EncoderReference:
    """Lets a live model speak as far as its decoder.

    Attributes:
        live: a `Transformer`.
        names: conditions of the graph.
        memory: the graph of the cross-attentions, whose reference reads what was heard.
    """

    live: Any
    names: Sequence[str]
    memory: Graph

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random tokens with <sos/eos> behind every utterance, and random conditions."""
        return random_text(self.live, self.names, lengths)

    def __call__(self, feed: Feed) -> Feed:
        """One utterance: `Transformer.inference` up to its first step."""

        def stop(frames: Tensor, mask: Tensor, memory: Tensor, **_: Any) -> None:
            raise _Heard(memory)

        step = mock.patch.object(self.live.decoder, "forward_one_step", stop)
        text = spoken_text(self.live, feed)
        with torch.no_grad(), unchanged(self.live), step, text as (tokens, given):
            try:
                self.live.inference(tokens, **given)
            except _Heard as heard:
                memory = heard.memory
        return self.memory.reference({"encoder_out": memory.numpy()})


@attrs.frozen
class StepReference:
    """The last of some steps of a live decoder, and the caches that it began with.

    Attributes:
        live: a `Transformer`.
        memory: the graph of the cross-attentions.
        kept: L and P of the prenet, None where there is none.
    """

    live: Any
    memory: Graph
    kept: tuple[int, int] | None

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random memory of these lengths and a random past, some as in the first step."""
        rng = np.random.default_rng([len(lengths), *lengths])
        batch, past = len(lengths), max(lengths) % 5
        read = self.memory.feed(lengths)
        layers, units = self.kept or (1, 1)
        drawn = 2 * rng.integers(0, 2, (batch, past + 1, layers, units)).astype(np.float32)
        said = rng.standard_normal((batch, past + 1, self.live.odim), dtype=np.float32)
        feed: dict[str, Array] = {
            "position": np.array([past], np.int64),
            "memory": read["encoder_out"],
            "tokens_lengths": read["encoder_out_lengths"],
            "drawn": drawn,
            "kept": drawn[:, -1],
            "said": said,
            "past_frame": said[:, -1],
            **self.memory.reference(read),
        }
        replays = [self._replay(feed, row, length)[0] for row, length in enumerate(lengths)]
        for name, first in replays[0].caches.items():
            _, heads, _, width = first.shape
            shape = (batch, heads, past + SPARE, width)
            pool = rng.standard_normal(shape, dtype=np.float32)
            for row, replay in zip(pool, replays, strict=True):
                row[:, :past] = replay.caches[name][0, :, :past].numpy()
            feed[f"past_{name}"] = pool
        return feed

    def __call__(self, feed: Feed) -> Feed:
        """One utterance: what the last step says."""
        replay, stops = self._replay(feed, 0, feed["memory"].shape[1])
        frames = replay.log_probs.view(1, -1, self.live.odim)
        new = {name: cache[:, :, -1:].numpy() for name, cache in replay.caches.items()}
        return {"frames": frames.numpy(), "stops": stops.numpy(), **new}

    def _replay(self, feed: Feed, row: int, tokens: int) -> tuple[Replay, Tensor]:
        """See `_replayed`."""
        said = torch.from_numpy(feed["said"][row : row + 1])
        memory = torch.from_numpy(feed["memory"][row : row + 1, :tokens])
        return _replayed(self.live, said, memory, feed["drawn"][row])


@attrs.frozen
class PastReference:
    """Keys and values of the first block of a live decoder over frames, each with its own draw.

    Attributes:
        live: a `Transformer`.
        kept: L and P of the prenet.
    """

    live: Any
    kept: tuple[int, int]

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random frames, all utterances having the most of these."""
        rng = np.random.default_rng([len(lengths), *lengths])
        shape = (len(lengths), max(lengths))
        kept = 2 * rng.integers(0, 2, (*shape, *self.kept)).astype(np.float32)
        return {"frames": rng.standard_normal((*shape, self.live.odim), np.float32), "kept": kept}

    def __call__(self, feed: Feed) -> Feed:
        """One utterance."""
        # What it attends to of the text does not matter there.
        memory = torch.zeros(1, 1, self.live.decoder.decoders[0].size)
        frames = torch.from_numpy(feed["frames"])
        replay, _ = _replayed(self.live, frames, memory, feed["kept"][0])
        return {name: replay.caches[name].numpy() for name in ("key_0", "value_0")}


def _replayed(live: Any, said: Tensor, memory: Tensor, drawn: Array) -> tuple[Replay, Tensor]:
    """`Decoder.forward_one_step` over frames (1, S, O); what it says, and the stops (1, R)."""
    size = said.shape[1]
    causal = torch.ones(size, size, dtype=torch.bool).tril()[None]
    heard: list[Tensor] = []

    def speak() -> Tensor:
        state, _ = live.decoder.forward_one_step(said, causal, memory)
        heard.append(torch.sigmoid(live.prob_out(state)))
        frames: Tensor = live.feat_out(state)
        return frames

    attentions = [layer.self_attn for layer in live.decoder.decoders]
    with unchanged(live), injected_dropout(drawn):
        replay = Replay.of(attentions, speak)
    return replay, heard[0]
