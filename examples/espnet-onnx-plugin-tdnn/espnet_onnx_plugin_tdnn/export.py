"""The graph of a live TDNNEncoder (needs torch).

Shapes: B utterances, T frames, F features, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.types import Feed

from .encoder import TDNNEncoder, TDNNLayer

__all__ = ["PaddedTDNN", "encoder_graph"]

TRIALS = ((31, 8, 20), (1,), (97, 96))


class PaddedTDNN(nn.Module):
    """`TDNNEncoder.forward`, and what stands behind an utterance's end has no influence on it."""

    def __init__(self, live: TDNNEncoder) -> None:
        super().__init__()
        self.layers, self.subsampling = live.layers, live.subsampling

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and (B,) -> (B, T', D) and (B,)."""
        x = feats[:, :: self.subsampling]
        lengths = (feats_lengths - 1) // self.subsampling + 1
        valid = (torch.arange(x.shape[1]) < lengths[:, None])[..., None]
        for layer in self.layers:
            # Alone, an utterance has zeros beyond its end; in a batch, other values.
            x = layer(torch.where(valid, x, torch.zeros(())))
        return x, lengths


def encoder_graph(live: TDNNEncoder) -> eo.Graph:
    """The encoder's graph, checked against the live module one utterance at a time."""

    def feed(lengths: Sequence[int]) -> Feed:
        shape = (len(lengths), max(lengths), _input_size(live))
        feats = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        return {"feats": feats, "feats_lengths": np.array(lengths, dtype=np.int64)}

    def reference(feed: Feed) -> Feed:
        with torch.no_grad():
            out, lengths, _ = live(
                torch.from_numpy(feed["feats"]), torch.from_numpy(feed["feats_lengths"])
            )
        return {"encoder_out": out.numpy(), "encoder_out_lengths": lengths.numpy()}

    return eo.Graph(
        module=PaddedTDNN(live).eval(),
        outputs=("encoder_out", "encoder_out_lengths"),
        axes={
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
        },
        lengths={"frames": "feats_lengths", "encoder_frames": "encoder_out_lengths"},
        feed=feed,
        reference=reference,
        trials=TRIALS,
        rate=100,
    )


def _input_size(live: TDNNEncoder) -> int:
    first = live.layers[0]
    assert isinstance(first, TDNNLayer)
    return first.linear.in_features // len(first.context)
