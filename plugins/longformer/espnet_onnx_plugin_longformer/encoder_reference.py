"""Inputs for the graph of a Longformer encoder, and what ESPnet says to them.

Shapes: B utterances, T frames, F features.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

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
        """Random features; what stands behind an utterance's end is as random."""
        rng = np.random.default_rng([len(lengths), *lengths])
        shape = (len(lengths), max(lengths), self._width)
        feats = rng.standard_normal(shape, dtype=np.float32)
        return {"feats": feats, "feats_lengths": np.array(lengths, np.int64)}

    def __call__(self, feed: Feed) -> Feed:
        """One utterance, as `ESPnetASRModel.encode` calls it; its search sees all that returns."""
        feats, lengths = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
        with torch.no_grad(), self._on_cpu():
            out, _, _ = self._encoder(feats, lengths)
        size = np.array([out.shape[1]], np.int64)
        return {"encoder_out": out.numpy(), "encoder_out_lengths": size}

    @contextlib.contextmanager
    def _on_cpu(self) -> Iterator[None]:
        """For a while, `tvm`, a kernel for GPUs, gives way to `sliding_chunks`, its equal.

        Position tables grow and attention keeps its weights: both are put back too.
        """
        names = ("pe", "attn", "attention", "attention_mode")
        kept = [
            (module, name, vars(module)[name])
            for module in self._encoder.modules()
            for name in names
            if name in vars(module)
        ]
        for module, name, value in kept:
            if name == "attention_mode" and value == "tvm":
                module.attention_mode = "sliding_chunks"
        try:
            yield
        finally:
            for module, name, value in kept:
                setattr(module, name, value)
