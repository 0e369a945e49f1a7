"""The root's own graphs: features as they are to be heard again, and a recording's.

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

from .reference_graph import reference_graph

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
        """(B, T, D) as the acoustic model makes them -> (B, T, D) as they are heard."""
        if self.std is not None:
            feats = feats * self.std
        if self.mean is not None:
            feats = feats + self.mean
        return feats


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """`denormalize`, where features are normalised; `reference`, of models that hear one."""
    made = {}
    if part.config["denormalize"]:
        made["denormalize"] = _denormalize(component)
    if part.config["reference"]:
        made["reference"] = reference_graph(component.module, part.config["reference"])
    return made


def _denormalize(component: eo.Component) -> eo.Graph:
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

    return eo.Graph(
        module=Denormalize(live).eval(),
        outputs=("denormalized",),
        axes={"feats": axes, "denormalized": axes},
        feed=feed,
        reference=reference,
        trials=_TRIALS,
        quantise=None,
    )
