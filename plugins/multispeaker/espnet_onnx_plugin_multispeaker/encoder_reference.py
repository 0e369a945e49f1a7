"""Inputs for the graph of a multi-speaker encoder, and what ESPnet says to them.

Shapes: B utterances, T frames, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

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
        """Random features; what stands behind an utterance's end is as random."""
        rng = np.random.default_rng([len(lengths), *lengths])
        shape = (len(lengths), max(lengths), self._width)
        feats = rng.standard_normal(shape, dtype=np.float32)
        return {"feats": feats, "feats_lengths": np.array(lengths, np.int64)}

    def __call__(self, feed: Feed) -> Feed:
        """One utterance, as `ESPnetASRModel.encode` calls it."""
        feats, lengths = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
        # Attention keeps its weights and position tables grow: the model stays as it was.
        kept = [(m, k, getattr(m, k)) for m in self._encoder.modules() for k in _state(m)]
        with torch.no_grad():
            out, out_lengths, _ = self._encoder(feats, lengths)
        for module, key, value in kept:
            setattr(module, key, value)
        return {"encoder_out": out.numpy(), "encoder_out_lengths": out_lengths[:, 0].numpy()}


def _state(module: Any) -> list[str]:
    return [key for key in ("pe", "attn") if key in vars(module)]
