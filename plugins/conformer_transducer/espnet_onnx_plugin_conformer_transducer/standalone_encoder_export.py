"""The graphs of the standalone task's encoder (needs torch).

Shapes: B utterances, T frames, F features, D width, L frames of left context, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.layers.live_encoder import random_features

from .standalone_body_graph import KEYS, EncoderBody
from .standalone_encoder_reference import BodyReference, subsampled
from .standalone_input import conv_input

__all__ = ["graphs"]


class Subsample(nn.Module):
    """The input layer."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.input = conv_input(live)

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and (B,) -> (B, T', D) and (B,)."""
        frames, lengths = self.input(feats, feats_lengths)
        return frames, lengths


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """`subsample`, features and lengths in, and `blocks` behind it.

    Between the two `chunk_forward` takes frames away, and what it remembers is of the second.

    Args:
        component: with a live encoder, `given["input_size"]`, and optionally
            `given["frame_rate"]`, input frames per second.
        part: of `standalone_encoder_claim.claim`.
    """
    live, size = component.module, component.given.get("input_size")
    if not size:
        raise ModelError(
            "encoder asr_transducer: its input_size is unknown: export the whole model, or give "
            "the number of features per frame"
        )
    shortest, factor = part.config["shortest"], part.config["factor"]
    rate = float(component.given.get("frame_rate") or 100)
    with torch.no_grad():
        least = live.embed(torch.zeros(1, shortest, int(size)))[0].shape[1]
    return {
        "subsample": _subsample(live, int(size), shortest, rate),
        "blocks": _blocks(live, least, rate / factor),
    }


def _subsample(live: Any, size: int, shortest: int, rate: float) -> eo.Graph:
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
        feed=partial(random_features, width=size),
        reference=partial(subsampled, live.embed),
        trials=((4 * shortest + 1, 2 * shortest + 3, 6 * shortest + 5), (shortest,)),
        rate=rate,
    )


def _blocks(live: Any, least: int, rate: float) -> eo.Graph:
    body = EncoderBody(live).eval()
    reference = BodyReference(live, body)
    frames, rows = ("batch", "frames", None), ("batch", None, None)
    context = ("batch", "left_context", None)
    states = {name: context if name.startswith(KEYS) else rows for name in body.states}
    return eo.Graph(
        body,
        outputs=("encoder_out", "encoder_out_lengths", *body.states),
        axes={
            "frames": frames,
            "frames_lengths": ("batch",),
            **dict.fromkeys(body.seen, ("batch",)),
            **{f"past_{name}": axes for name, axes in states.items()},
            **dict.fromkeys(reference.heard, context),
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
            **states,
        },
        lengths={"frames": "frames_lengths", "encoder_frames": "encoder_out_lengths"},
        feed=reference.feed,
        reference=reference,
        trials=((3 * least + 9, 2 * least + 2, 3 * least + 5, least + 1), (least,)),
        rate=rate,
    )
