"""Inputs for the graphs of a Transformer decoder, and what ESPnet says to them (needs torch).

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, T encoder
frames, D width, N heads, K width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from espnet_onnx.layers.cached_replay import Replay, past_caches, random_hypotheses
from espnet_onnx.types import Array, Feed, Graph

__all__ = ["DecoderReference"]


class DecoderReference:
    """Feed and reference of the graph `step`, through the untouched decoder.

    Args:
        decoder: the live decoder.
        memory: the graph that computes what a step reads of the encoder.
    """

    def __init__(self, decoder: Any, memory: Graph) -> None:
        self._decoder, self._memory = decoder, memory
        self._vocabulary = len(decoder.embed[0].weight)

    def step_feed(self, lengths: Sequence[int]) -> Feed:
        """Random prefixes, their keys and values scattered over the cache's slots.

        Past sizes follow from the lengths; some are as in a search's first step.
        """
        rng = np.random.default_rng(sum(lengths))
        batch, past = len(lengths), max(lengths) % 5 + len(lengths) - 1
        prefix, ancestors = random_hypotheses(rng, self._vocabulary, batch, past)
        memory = self._memory.feed(lengths)
        sizes = memory["encoder_out_lengths"]
        cut = [x[:size] for x, size in zip(memory["encoder_out"], sizes, strict=True)]
        replays = [self._replay(*pair) for pair in zip(prefix, cut, strict=True)]
        return {
            "tokens": prefix[:, :, -1],
            "ancestors": ancestors,
            "prefix": prefix,
            **memory,
            **self._memory.reference(memory),
            **past_caches(rng, ancestors, replays),
        }

    def step(self, feed: Feed) -> Feed:
        """`TransformerDecoder.forward_one_step` over the whole prefixes of one utterance."""
        return self._replay(feed["prefix"][0], feed["encoder_out"][0]).last()

    def _replay(self, prefix: Array, encoder_out: Array) -> Replay:
        """(H, U + 1) tokens over one utterance (T, D)."""
        rows, size = prefix.shape
        causal = torch.ones(size, size, dtype=torch.bool).tril()[None]
        memory = torch.from_numpy(encoder_out).expand(rows, -1, -1)
        tokens, step = torch.from_numpy(prefix), self._decoder.forward_one_step
        attentions = [layer.self_attn for layer in self._decoder.decoders]
        return Replay.of(attentions, lambda: step(tokens, causal, memory)[0])
