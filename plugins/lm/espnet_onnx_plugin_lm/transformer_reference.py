"""Inputs for the graph of a Transformer language model, and what ESPnet says to them (needs torch).

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, N heads,
K width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from espnet_onnx.layers.cached_replay import Replay, past_caches, random_hypotheses
from espnet_onnx.types import Array, Feed

__all__ = ["TransformerReference"]


class TransformerReference:
    """Feeds and reference of the graph `step`, through the untouched language model."""

    def __init__(self, lm: Any) -> None:
        self._lm = lm
        self._vocabulary = lm.embed.num_embeddings

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random prefixes of the longest length, some with a token 0, and their caches."""
        rng = np.random.default_rng(sum(lengths) + len(lengths))
        batch, past = len(lengths), max(lengths)
        prefix, own = random_hypotheses(rng, self._vocabulary, batch, past)
        prefix[:, 1:, -1] *= rng.random((batch, prefix.shape[1] - 1)) < 0.5
        prefix[:, :, 0] = self._vocabulary - 1
        hidden = prefix[:, :, :-1] == 0
        return {
            "tokens": prefix[:, :, -1],
            "ancestors": np.where(hidden, own[:, :, :1], own) if past else own,
            "prefix": prefix,
            **past_caches(rng, own, [self._replay(rows) for rows in prefix]),
        }

    def __call__(self, feed: Feed) -> Feed:
        """`TransformerLM.batch_score` over the whole prefixes of one utterance."""
        return self._replay(feed["prefix"][0]).last()

    def _replay(self, prefix: Array) -> Replay:
        """(H, U + 1) tokens without a cache."""
        attentions = [layer.self_attn for layer in self._lm.encoder.encoders]
        tokens, states = torch.from_numpy(prefix), [None] * len(prefix)
        return Replay.of(attentions, lambda: self._lm.batch_score(tokens, states, None)[0])
