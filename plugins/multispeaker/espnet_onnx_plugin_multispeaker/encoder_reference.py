"""Inputs for the graph of a multi-speaker encoder, and what ESPnet says to them.

Shapes: B utterances, T frames, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from espnet_onnx.layers.live_encoder import random_features, unchanged
from espnet_onnx.types import Feed

__all__ = ["EncoderReference"]


class EncoderReference:
    """Feeds and reference of the graph, through the untouched encoder.

    Args:
        encoder: a live multi-speaker `TransformerEncoder`.
        width: features F of a frame.
    """

    def __init__(self, encoder: Any, width: int) -> None:
        self._encoder, self._width = encoder, width

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random features."""
        return random_features(lengths, self._width)

    def __call__(self, feed: Feed) -> Feed:
        """One utterance, as `ESPnetASRModel.encode` calls it."""
        feats, lengths = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
        with torch.no_grad(), unchanged(self._encoder):
            out, out_lengths, _ = self._encoder(feats, lengths)
        return {"encoder_out": out.numpy(), "encoder_out_lengths": out_lengths[:, 0].numpy()}
