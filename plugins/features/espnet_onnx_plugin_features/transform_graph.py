"""What the graphs from features to features have in common.

Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import espnet_onnx as eo
from espnet_onnx.types import Feed

__all__ = ["transform_graph"]

_TRIALS = ((1,), (2, 41, 7), (97,), (1001,))


def transform_graph(
    module: torch.nn.Module,
    live: Any,
    width: int,
    *,
    fixed: bool = True,
    quantise: eo.Quantise | None = None,
) -> eo.Graph:
    """feats (B, T, D), feats_lengths (B,) -> out, out_lengths, checked against `live`.

    Args:
        module: takes `feats` and `feats_lengths`.
        live: the ESPnet module, called in the same way.
        width: D of the features that it is checked with.
        fixed: False where the graph takes features of any width.
        quantise: how int8 is made; None keeps fp32.
    """

    def feed(lengths: Sequence[int]) -> Feed:
        shape = (len(lengths), max(lengths), width)
        feats = np.random.default_rng(0).normal(-5, 3, shape).astype(np.float32)
        return {"feats": feats, "feats_lengths": np.array(lengths, dtype=np.int64)}

    def reference(feed: Feed) -> Feed:
        # ESPnet's normalisations write into their input.
        feats, lengths = torch.from_numpy(feed["feats"]), torch.from_numpy(feed["feats_lengths"])
        with torch.no_grad():
            out, out_lengths = live(feats.clone(), lengths)
        return {"out": out.numpy(), "out_lengths": out_lengths.numpy()}

    axes = ("batch", "frames", None if fixed else "width")
    return eo.Graph(
        module=module.eval(),
        outputs=("out", "out_lengths"),
        axes={
            "feats": axes,
            "feats_lengths": ("batch",),
            "out": axes,
            "out_lengths": ("batch",),
        },
        lengths={"frames": "feats_lengths"},
        feed=feed,
        reference=reference,
        trials=_TRIALS,
        quantise=quantise,
    )
