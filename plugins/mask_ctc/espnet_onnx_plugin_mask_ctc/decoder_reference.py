"""Inputs for the graph of a masked decoder, and what ESPnet says to them (needs torch).

Shapes: B utterances, T frames, U tokens, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import espnet_onnx as eo
from espnet_onnx.types import Feed

__all__ = ["DecoderReference"]


class DecoderReference:
    """Feeds and references of the graph `predict`, through the untouched decoder.

    Args:
        decoder: a live `MLMDecoder`.
        memory: the graph of its cross-attention's keys and values.
    """

    def __init__(self, decoder: Any, memory: eo.Graph) -> None:
        self._decoder, self._memory = decoder, memory
        self._vocabulary = decoder.embed[0].num_embeddings

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random tokens, a third of them masked, about one for every two of the frames."""
        rng = np.random.default_rng([len(lengths), *lengths])
        memory = self._memory.feed(lengths)
        counts = np.array(lengths, np.int64) // 2 + 1
        tokens = rng.integers(0, self._vocabulary, (len(lengths), counts.max()))
        tokens[rng.random(tokens.shape) < 1 / 3] = self._vocabulary - 1
        places = {"tokens": tokens, "tokens_lengths": counts}
        return {**places, **memory, **self._memory.reference(memory)}

    def __call__(self, feed: Feed) -> Feed:
        """`MLMDecoder.forward` over one utterance."""
        names = ("encoder_out", "encoder_out_lengths", "tokens", "tokens_lengths")
        with torch.no_grad():
            scores, _ = self._decoder(*(torch.from_numpy(feed[name]) for name in names))
        return {"scores": scores.numpy()}
