"""Graphs of JETS: before and behind its durations. The vocoder is a child's.

Shapes: B utterances, U tokens, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

import espnet_onnx as eo
from espnet_onnx.layers.live_classes import TABLE
from espnet_onnx.layers.live_encoder import fresh_positions, unchanged
from espnet_onnx.types import Feed

from .acoustic_export import frame_rate, random_frames
from .gaussian_graph import GaussianFrames
from .text_export import text_graphs

__all__ = ["graphs"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """`text`, `frames`, and `style` of a model with global style tokens.

    Args:
        component: with a live `JETS`, and in `given`, where they are known, `sample_rate` and
            `n_shift`.
        part: of `jets_claim.claim`.
    """
    live = component.module.generator
    frames = eo.Graph(
        GaussianFrames(live).eval(),
        outputs=("feats",),
        axes={
            "states": ("batch", "tokens", None),
            "lengths": ("batch",),
            "durations": ("batch", "tokens"),
            "times": ("frames",),
            "frame_lengths": ("batch",),
            "feats": ("batch", "frames", None),
        },
        lengths={"tokens": "lengths", "frames": "frame_lengths"},
        feed=_FramesFeeds(live),
        reference=_FramesReference(live),
        trials=((17, 8, 31), (1,)),
        rate=frame_rate(component),
    )
    return {**text_graphs(live, list(part.config["needs"]), _speak), "frames": frames}


def _speak(live: Any, text: Tensor, controls: Mapping[str, Tensor]) -> None:
    """`JETSGenerator.inference` as `JETS.inference` calls it."""
    given = {**controls}
    speech = given.pop("speech", None)
    live.inference(text, torch.tensor([text.shape[1]]), speech, **given)


class _FramesFeeds:
    """Random states and durations."""

    def __init__(self, live: Any) -> None:
        self.width = int(live.generator.input_conv.in_channels)

    def __call__(self, lengths: Sequence[int]) -> Feed:
        feed, _ = random_frames(lengths, self.width)
        return {
            **feed,
            "times": np.arange(max(lengths), dtype=np.float32),
            "frame_lengths": np.array(lengths, np.int64),
        }


@attrs.frozen
class _FramesReference:
    """The modules from `GaussianUpsampling` on, as `inference` calls them."""

    live: Any

    def __call__(self, feed: Feed) -> Feed:
        live = self.live
        states, durations = (torch.from_numpy(feed[name]) for name in ("states", "durations"))
        real = torch.ones(durations.shape, dtype=torch.bool)
        with torch.no_grad(), unchanged(live):
            fresh_positions(live, TABLE)
            x = live.length_regulator(states, durations, None, real)
            out, _ = live.decoder(x, None)
        return {"feats": out.numpy()}
