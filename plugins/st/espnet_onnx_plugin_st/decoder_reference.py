"""Inputs for the step of a decoder with two sources, and what ESPnet says to them (needs torch).

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, T frames
of speech, M states of the transcript, D width, N heads, K width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import espnet_onnx as eo
from espnet_onnx.layers.cached_replay import Replay, past_caches, random_hypotheses
from espnet_onnx.types import Array, Feed

__all__ = ["StepReference"]


class StepReference:
    """Feed and reference of the graph `step`, through the untouched `TransformerMDDecoder`.

    Args:
        decoder: the live decoder.
        speech: the graph of its keys and values of speech.
        memory: that of the states.
    """

    def __init__(self, decoder: Any, speech: eo.Graph, memory: eo.Graph) -> None:
        self._decoder = decoder
        self._graphs = {"speech": speech, "memory": memory}
        self._vocabulary = decoder.embed[0].num_embeddings

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random prefixes over speech of the given lengths, and their caches.

        Past sizes and lengths of the transcript follow from the lengths; some are as in a
        search's first step.
        """
        rng = np.random.default_rng(sum(lengths))
        batch, past = len(lengths), max(lengths) % 5 + len(lengths) - 1
        prefix, ancestors = random_hypotheses(rng, self._vocabulary, batch, past)
        sources = self._source("speech", lengths)
        sources |= self._source("memory", [n % 6 + 1 for n in lengths])
        cut = [
            [x[:size] for x, size in zip(sources[n], sources[f"{n}_lengths"], strict=True)]
            for n in ("memory", "speech")
        ]
        replays = [self._replay(*row) for row in zip(prefix, *cut, strict=True)]
        caches = past_caches(rng, ancestors, replays)
        tokens = prefix[:, :, -1]
        return {"tokens": tokens, "ancestors": ancestors, "prefix": prefix, **sources, **caches}

    def __call__(self, feed: Feed) -> Feed:
        """`TransformerMDDecoder.forward_one_step` over the whole prefixes of one utterance."""
        names = ("prefix", "memory", "speech")
        return self._replay(*(feed[name][0] for name in names)).last("new_")

    def _source(self, name: str, lengths: Sequence[int]) -> dict[str, Array]:
        """A source, its lengths, and its keys and values in every block."""
        graph = self._graphs[name]
        feed = graph.feed(lengths)
        pairs = graph.reference(feed).items()
        return {
            name: feed["encoder_out"],
            f"{name}_lengths": feed["encoder_out_lengths"],
            **{key.replace("memory", name, 1): array for key, array in pairs},
        }

    def _replay(self, prefix: Array, memory: Array, speech: Array) -> Replay:
        """(H, U + 1) tokens over (M, D) states and (T, D) speech."""
        rows, size = prefix.shape
        causal = torch.ones(size, size, dtype=torch.bool).tril()[None]
        states, heard = (torch.from_numpy(x).expand(rows, -1, -1) for x in (memory, speech))
        tokens, step = torch.from_numpy(prefix), self._decoder.forward_one_step
        attentions = [layer.self_attn for layer in self._decoder.decoders]
        return Replay.of(attentions, lambda: step(tokens, causal, states, speech=heard)[0])
