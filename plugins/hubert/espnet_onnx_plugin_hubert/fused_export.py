"""Graph of frontend `fused`: features of several rates become one sequence.

Shapes: B utterances, T frames of one frontend, F its frames in the common rate, P projected width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.linear import Affine
from espnet_onnx.types import Array, Feed

__all__ = ["Fusion", "graphs"]

_TRIALS = ((12,), (25, 7, 12), (301,))


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `fusion`: each child's features and lengths in, fused features out."""
    live = component.module
    count = len(part.children)
    axes: dict[str, Sequence[str | None]] = {
        "feats": ("batch", "frames", None),
        "lengths": ("batch",),
    }
    for i in range(count):
        axes[f"feats_{i}"] = ("batch", f"frames_{i}", None)
        axes[f"lengths_{i}"] = ("batch",)
    graph = eo.Graph(
        Fusion(live).eval(),
        outputs=("feats", "lengths"),
        axes=axes,
        lengths={"frames": "lengths", **{f"frames_{i}": f"lengths_{i}" for i in range(count)}},
        feed=_Feeds(live),
        reference=_Reference(live),
        trials=_TRIALS,
    )
    return {"fusion": graph}


class Fusion(nn.Module):
    """`FusedFrontends.forward` behind its frontends, with lengths of each utterance alone.

    A frame of a slower frontend becomes as many of the common rate as fit, by a projection as
    many times as wide.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.factors = [int(factor) for factor in live.factors]
        self.projections = nn.ModuleList(Affine.of(layer) for layer in live.projection_layers)
        self.input_names = [f"{name}_{i}" for i in range(len(self.factors)) for name in _PAIR]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D), (B,) for every frontend -> (B, F, P times frontends), (B,)."""
        fused, lengths = [], []
        for i, (factor, project) in enumerate(zip(self.factors, self.projections, strict=True)):
            x = project(tensors[2 * i])
            batch, frames, width = x.shape
            fused.append(x.reshape(batch, frames * factor, width // factor))
            lengths.append(tensors[2 * i + 1] * factor)
        shortest = fused[0].shape[1]
        for x in fused[1:]:
            shortest = torch.sym_min(shortest, x.shape[1])
        feats = torch.cat([x[:, :shortest] for x in fused], -1)
        return feats, torch.stack(lengths).amin(0)


_PAIR = ("feats", "lengths")


class _Feeds:
    """Random features of every frontend, that do not end at the same time."""

    def __init__(self, live: Any) -> None:
        self.widths = [int(layer.in_features) for layer in live.projection_layers]
        self.factors = [int(factor) for factor in live.factors]

    def __call__(self, lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng([len(lengths), *lengths])
        feed: dict[str, Array] = {}
        for i, (width, factor) in enumerate(zip(self.widths, self.factors, strict=True)):
            frames = np.array([-(-n // factor) + i for n in lengths], np.int64)
            shape = (len(lengths), int(frames.max()), width)
            feed[f"feats_{i}"] = rng.standard_normal(shape, dtype=np.float32)
            feed[f"lengths_{i}"] = frames
        return feed


class _Reference:
    """`FusedFrontends.forward` of one utterance whose frontends have spoken."""

    def __init__(self, live: Any) -> None:
        self.live = live

    def __call__(self, feed: Feed) -> Feed:
        heard = [
            tuple(torch.from_numpy(feed[f"{name}_{i}"]) for name in _PAIR)
            for i in range(len(self.live.frontends))
        ]
        nothing = torch.zeros(1, 0)
        with torch.no_grad(), _answering(self.live, heard):
            feats, lengths = self.live(nothing, torch.zeros(1, dtype=torch.int64))
        return {"feats": feats.numpy(), "lengths": lengths.numpy()}


@contextmanager
def _answering(live: Any, heard: Sequence[Any]) -> Iterator[None]:
    """Its frontends answer with what they have heard; nothing stays of the call."""
    kept = dict(vars(live))
    for frontend, answer in zip(live.frontends, heard, strict=True):
        vars(frontend)["forward"] = lambda *_inputs, answer=answer: answer
    try:
        yield
    finally:
        for frontend in live.frontends:
            del vars(frontend)["forward"]
        # `forward` keeps what it computed on the way.
        vars(live).clear()
        vars(live).update(kept)
