"""The graph of ESPnet's multi-speaker encoder.

Shapes: B utterances, N speakers, T frames, F features, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.layers.absolute_input import AbsoluteInput, input_width
from espnet_onnx.layers.attention import SelfAttention
from espnet_onnx.layers.encoder_block import EncoderBlock
from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.layers.norm import Norm

from .encoder_reference import EncoderReference

__all__ = ["MultiSpeakerModule", "encoder_graphs"]


class MultiSpeakerModule(nn.Module):
    """`TransformerEncoder` of transformer_encoder_multispkr over the live weights."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.input = AbsoluteInput(live.embed)
        self.speakers = nn.ModuleList(_blocks(blocks) for blocks in live.encoders_sd)
        self.blocks = _blocks(live.encoders)
        self.norm = Norm(live.after_norm) if live.normalize_before else None

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and (B,) -> (B, N, T', D), and (B,), the same for every speaker."""
        x, mask = self.input(feats, feats_lengths)
        apart = []
        for blocks in self.speakers:
            y = x
            for block in blocks:  # type: ignore[attr-defined]
                y = block(y, mask, ())
            apart.append(y)
        # Speakers become rows of one batch, which the shared blocks see once.
        count = len(apart)
        lengths = mask.lengths[:, None].expand(-1, count).flatten()
        rows = frame_mask(lengths, x.shape[1])
        y = torch.stack(apart, 1).flatten(0, 1)
        for block in self.blocks:
            y = block(y, rows, ())
        if self.norm is not None:
            y = self.norm(y)
        # An output must not be an input of the same graph, as lengths without subsampling are.
        return y.unflatten(0, (-1, count)), mask.lengths.clone()


def encoder_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `encoder`: features and lengths in, states of every speaker and lengths out.

    Args:
        component: with a live encoder, `given["input_size"]` for the conv2d input layers, and
            optionally `given["frame_rate"]`, input frames per second.
        part: of `encoder_claim`.
    """
    width = input_width(component.module.embed, component.given.get("input_size"))
    if width is None:
        raise ModelError(
            f"encoder {component.type}: its input_size is unknown: export the whole model, "
            "or give the number of features per frame"
        )
    reference = EncoderReference(component.module, width)
    shortest = part.config["shortest"]
    graph = eo.Graph(
        MultiSpeakerModule(component.module).eval(),
        outputs=("encoder_out", "encoder_out_lengths"),
        axes={
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
            "encoder_out": ("batch", None, "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
        },
        lengths={"frames": "feats_lengths", "encoder_frames": "encoder_out_lengths"},
        feed=reference.feed,
        reference=reference,
        trials=((4 * shortest + 1, 2 * shortest + 3, 6 * shortest + 5), (shortest,)),
        rate=float(component.given.get("frame_rate") or 100),
    )
    return {"encoder": graph}


def _blocks(live: Any) -> nn.ModuleList:
    return nn.ModuleList(EncoderBlock(block, SelfAttention) for block in live)
