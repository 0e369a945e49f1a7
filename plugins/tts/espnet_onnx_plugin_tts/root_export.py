"""The root's own graph: features as they are to be heard again.

Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.types import Feed

__all__ = ["Denormalize", "graphs"]

_TRIALS = ((3,), (2, 41, 7))


class Denormalize(nn.Module):
    """`espnet2.layers.global_mvn.GlobalMVN.inverse` with the live module's statistics."""

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.register_buffer("mean", live.mean.float() if live.norm_means else None)
        self.register_buffer("std", live.std.float() if live.norm_vars else None)

    def forward(self, feats: Tensor) -> Tensor:
        """(B, T, D) normalised -> (B, T, D)."""
        if self.std is not None:
            feats = feats * self.std
        if self.mean is not None:
            feats = feats + self.mean
        return feats


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `denormalize`, where the model normalises its features."""
    if not part.config["denormalize"]:
        return {}
    live = component.module.normalize
    axes = ("batch", "frames", None)

    def feed(lengths: Sequence[int]) -> Feed:
        shape = (len(lengths), max(lengths), live.mean.shape[-1])
        return {"feats": np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)}

    def reference(feed: Feed) -> Feed:
        # `inverse` writes into its input.
        feats = torch.from_numpy(feed["feats"]).clone()
        with torch.no_grad():
            return {"denormalized": live.inverse(feats)[0].numpy()}

    graph = eo.Graph(
        module=Denormalize(live).eval(),
        outputs=("denormalized",),
        axes={"feats": axes, "denormalized": axes},
        feed=feed,
        reference=reference,
        trials=_TRIALS,
        quantise=None,
    )
    return {"denormalize": graph}
