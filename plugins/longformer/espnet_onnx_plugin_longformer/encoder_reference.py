"""Inputs for the graph of a Longformer encoder, and what ESPnet says to them.

Shapes: B utterances, T frames, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from espnet_onnx.layers.live_encoder import random_features, unchanged
from espnet_onnx.types import Feed

__all__ = ["EncoderReference"]


class EncoderReference:
    """Feeds and reference of the graph, through the live encoder.

    Args:
        encoder: a live `LongformerEncoder`.
        width: features F of a frame.
    """

    def __init__(self, encoder: Any, width: int) -> None:
        self._encoder, self._width = encoder, width

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random features."""
        return random_features(lengths, self._width)

    def __call__(self, feed: Feed) -> Feed:
        """One utterance, as `ESPnetASRModel.encode` calls it; its search sees all that returns."""
        feats, lengths = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
        with torch.no_grad(), unchanged(self._encoder, "attention", "attention_mode"):
            self._to_cpu()
            out, _, _ = self._encoder(feats, lengths)
        size = np.array([out.shape[1]], np.int64)
        return {"encoder_out": out.numpy(), "encoder_out_lengths": size}

    def _to_cpu(self) -> None:
        """Let `sliding_chunks` stand in for its equal, `tvm`, a kernel for GPUs."""
        for module in self._encoder.modules():
            if getattr(module, "attention_mode", None) == "tvm":
                module.attention_mode = "sliding_chunks"
