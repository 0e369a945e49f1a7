"""Inputs for a convolutional decoder's step, and what ESPnet's search gets for them (needs torch).

Shapes: B utterances, H hypotheses an utterance, U tokens so far with <sos>, T encoder frames,
D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import espnet_onnx as eo
from espnet_onnx.types import Feed

__all__ = ["StepReference"]

LONGEST = 4


class StepReference:
    """Feed and reference of the graph `step`, through the untouched decoder.

    Args:
        decoder: the live decoder.
        memory: the graph that computes what a step reads of the encoder.
    """

    def __init__(self, decoder: Any, memory: eo.Graph) -> None:
        self._decoder, self._memory = decoder, memory

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random prefixes; every utterance is at a position of its own."""
        rng = np.random.default_rng(sum(lengths))
        batch, vocabulary = len(lengths), self._decoder.embed[0].num_embeddings
        prefix = rng.integers(0, vocabulary, (batch, 1 + max(lengths) % 3, LONGEST))
        positions = rng.integers(0, LONGEST, batch)
        memory = self._memory.feed(lengths)
        return {
            "tokens": np.take_along_axis(prefix, positions[:, None, None], 2)[:, :, 0],
            "positions": positions,
            "prefix": prefix,
            **memory,
            **self._memory.reference(memory),
        }

    def __call__(self, feed: Feed) -> Feed:
        """`batch_score` of one utterance's hypotheses, token by token as a search calls it."""
        prefix = torch.from_numpy(feed["prefix"][0])
        encoder_out = torch.from_numpy(feed["encoder_out"]).expand(len(prefix), -1, -1)
        states: list[Any] = [None] * len(prefix)
        for size in range(1, int(feed["positions"][0]) + 2):
            with torch.no_grad():
                log_probs, states = self._decoder.batch_score(prefix[:, :size], states, encoder_out)
        return {"log_probs": log_probs[None].numpy()}
