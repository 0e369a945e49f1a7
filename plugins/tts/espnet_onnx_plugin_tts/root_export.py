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
    """`espnet2.layers.global_mvn.GlobalMVN.inverse`, then what the vocoder itself was trained with.

    Args:
        normalize: the live `GlobalMVN`, None where features are as they are.
        given: of the vocoder's component: `mean` and `scale`, by which a ParallelWaveGAN
            generator normalises what it hears (`inference` with `normalize_before`).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, normalize: Any, given: Mapping[str, Any]) -> None:
        super().__init__()
        scale, shift = _affine(normalize)
        if given.get("mean") is not None:
            mean, width = (torch.from_numpy(given[name]) for name in ("mean", "scale"))
            scale, shift = scale / width, (shift - mean) / width
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, feats: Tensor) -> Tensor:
        """(B, T, D) as the acoustic model makes them -> (B, T, D) as the vocoder hears them."""
        return feats * self.scale + self.shift


def _affine(normalize: Any) -> tuple[Tensor, Tensor]:
    """(D,) or (1,) factors and summands of the inverse."""
    scale, shift = torch.ones(1), torch.zeros(1)
    if normalize is not None and normalize.norm_vars:
        scale = normalize.std.float()
    if normalize is not None and normalize.norm_means:
        shift = normalize.mean.float()
    return scale, shift


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """`denormalize`, where features change on their way to the vocoder; `reference`, of style."""
    made = {}
    if part.config["denormalize"]:
        made["denormalize"] = _denormalize(component, part)
    if part.config["reference"]:
        made["reference"] = reference_graph(component.module, part.config["reference"])
    return made


def _denormalize(component: eo.Component, part: eo.Part) -> eo.Graph:
    live, given = component.module.normalize, part.children["vocoder"].given
    width = int(part.children["tts"].given["odim"])
    axes = ("batch", "frames", None)

    def feed(lengths: Sequence[int]) -> Feed:
        shape = (len(lengths), max(lengths), width)
        return {"feats": np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)}

    def reference(feed: Feed) -> Feed:
        # `inverse` writes into its input.
        feats = torch.from_numpy(feed["feats"]).clone()
        with torch.no_grad():
            heard = feats if live is None else live.inverse(feats)[0]
        out = heard.numpy()
        if given.get("mean") is not None:
            out = (out - given["mean"]) / given["scale"]
        return {"denormalized": out}

    return eo.Graph(
        module=Denormalize(live, given).eval(),
        outputs=("denormalized",),
        axes={"feats": axes, "denormalized": axes},
        feed=feed,
        reference=reference,
        trials=_TRIALS,
        quantise=None,
    )
