"""Graph of frontend `espnet_ssl`: the weighted sum of its upstream's layers.

Shapes: B utterances, T frames, D width, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.types import Feed

from .espnet_ssl_claim import not_here

__all__ = ["WeightedSum", "graphs"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `featurizer`, where layers are summed; none where one layer is taken.

    Raises:
        ModelError: the upstream's config is not here.
    """
    if not part.children:
        raise ModelError(not_here(component.conf["frontend_conf"].get("path_or_url")))
    if not part.config["multilayer"]:
        return {}
    live, width = component.module.featurizer, int(component.module.output_size())
    names = [f"state_{n}" for n in part.config["states"]]

    def feed(lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng(len(lengths))
        shape = (len(lengths), max(lengths), width)
        return {name: rng.standard_normal(shape, dtype=np.float32) for name in names}

    def reference(feed: Feed) -> Feed:
        with torch.no_grad():
            return {"feats": live([torch.from_numpy(feed[name]) for name in names]).numpy()}

    graph = eo.Graph(
        WeightedSum(live, names).eval(),
        outputs=("feats",),
        axes=dict.fromkeys((*names, "feats"), ("batch", "frames", None)),
        feed=feed,
        reference=reference,
        trials=((1,), (2, 7), (97,)),
        quantise=None,
    )
    return {"featurizer": graph}


class WeightedSum(nn.Module):
    """`espnet2.asr.frontend.espnet_ssl.Featureizer.forward`; the weights are known by now."""

    def __init__(self, live: Any, names: Sequence[str]) -> None:
        super().__init__()
        self.input_names = list(names)
        # One layer has no weight: it is returned as it is.
        one = torch.ones(1)
        weights = one if len(names) == 1 else torch.softmax(live.weights.detach(), -1)
        self.weights = weights.tolist()

    def forward(self, *states: Tensor) -> Tensor:
        """L times (B, T, D) -> (B, T, D)."""
        total: Tensor = states[0] * self.weights[0]
        for state, weight in zip(states[1:], self.weights[1:], strict=True):
            total = total + state * weight
        return total
