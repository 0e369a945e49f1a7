"""Graphs of a contextual block encoder.

Shapes: B utterances, F features, T frames, D width, N blocks, L layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.live_encoder import random_features
from espnet_onnx.layers.norm import Norm
from espnet_onnx.layers.subsampling import Conv2dSubsampling
from espnet_onnx.types import Feed

from .blocks_graph import ContextBlocks
from .encoder_reference import BlocksReference, SubsampleReference

__all__ = ["encoder_graphs"]

FRAME_RATE = 100.0


class Subsample(nn.Module):
    """The `embed` of the encoder: `Conv2dSubsamplingWOPosEnc`, or a linear layer."""

    def __init__(self, embed: Any) -> None:
        super().__init__()
        self.conv: nn.Module | None = None
        self.linear: nn.Module | None = None
        if isinstance(embed, nn.Sequential):
            linear, norm, *_ = embed
            assert isinstance(norm, nn.LayerNorm)
            self.linear = nn.Sequential(Affine.of(linear), Norm(norm), nn.ReLU())
        else:
            convs = [m for m in embed.conv if isinstance(m, nn.Conv2d)]
            self.conv = Conv2dSubsampling(convs, embed.out)

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) features and lengths (B,) -> (B, T', D) and lengths."""
        if self.linear is not None:
            return self.linear(feats), feats_lengths.clone()
        assert self.conv is not None
        frames, lengths = self.conv(feats, feats_lengths)
        return frames, lengths


def encoder_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """`subsample`, and `blocks` behind it."""
    live, config = component.module, part.config
    rate = float(component.given.get("frame_rate") or FRAME_RATE)
    return {
        "subsample": _subsample_graph(live, _input_size(component), config["shortest"], rate),
        "blocks": _blocks_graph(live, rate / config["subsample"]),
    }


def _subsample_graph(live: Any, width: int, shortest: int, rate: float) -> eo.Graph:
    return eo.Graph(
        Subsample(live.embed).eval(),
        outputs=("frames", "frames_lengths"),
        axes={
            "feats": ("batch", "feature_frames", None),
            "feats_lengths": ("batch",),
            "frames": ("batch", "frames", None),
            "frames_lengths": ("batch",),
        },
        lengths={"feature_frames": "feats_lengths", "frames": "frames_lengths"},
        feed=lambda lengths: random_features(lengths, width),
        reference=SubsampleReference(live.embed),
        trials=((4 * shortest + 1, 2 * shortest + 3, 6 * shortest + 5), (shortest,)),
        rate=rate,
    )


def _blocks_graph(live: Any, rate: float) -> eo.Graph:
    size, hop = live.block_size, live.hop_size
    out = ("batch", "frames", None)
    context = ("batch", None, None)
    return eo.Graph(
        ContextBlocks(live).eval(),
        outputs=("encoder_out", "context_out"),
        axes={
            "frames": out,
            "frames_lengths": ("batch",),
            "whole": ("batch",),
            "first": ("batch",),
            "context": context,
            "blocks": ("blocks",),
            "encoder_out": out,
            "context_out": context,
        },
        lengths={"frames": "frames_lengths"},
        feed=_BlockFeeds(live.output_size(), len(live.encoders), size, hop),
        reference=BlocksReference(live),
        # a stream's blocks, whole utterances of several blocks, and one shorter than a block
        trials=((size + 2 * hop, size + 3 * hop - 1, size + hop + 1, size), (max(1, size // 2),)),
        rate=rate,
    )


@attrs.frozen
class _BlockFeeds:
    """Random frames, every other utterance in the middle of a stream where it is long enough."""

    width: int
    layers: int
    size: int
    hop: int

    def __call__(self, lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng([len(lengths), *lengths])
        shape = (len(lengths), max(lengths), self.width)
        count = max(1, math.ceil((max(lengths) - self.size) / self.hop) + 1)
        middle = [n > self.size - self.hop and b % 2 == 1 for b, n in enumerate(lengths)]
        context = (len(lengths), self.layers, self.width)
        return {
            "frames": rng.standard_normal(shape, dtype=np.float32),
            "frames_lengths": np.array(lengths, np.int64),
            "whole": ~np.array(middle),
            "first": np.where(middle, 3, 0),
            "context": rng.standard_normal(context, dtype=np.float32),
            "blocks": np.arange(count),
        }


def _input_size(component: eo.Component) -> int:
    embed = component.module.embed
    first = embed[0] if isinstance(embed, nn.Sequential) else embed
    if isinstance(first, nn.Linear):
        return first.in_features
    size = component.given.get("input_size")
    if not size:
        raise ModelError(
            f"encoder {component.type}: its input_size is unknown: export the whole model, "
            "or give the number of features per frame"
        )
    return int(size)
