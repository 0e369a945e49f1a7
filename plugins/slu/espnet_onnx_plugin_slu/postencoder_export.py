"""Graph of slu's `transformer` and `conformer` post-encoders.

Shapes: B utterances, T frames, F width in, D width out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.encoder_block import EncoderBlock
from espnet_onnx.layers.live_classes import (
    TABLE,
    attention_class,
    is_position,
    plain_layer,
    position_layer,
)
from espnet_onnx.layers.live_encoder import fresh_positions, random_features, unchanged
from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.layers.norm import Norm
from espnet_onnx.layers.positions import NoPositions
from espnet_onnx.types import Feed

__all__ = ["PostEncoderModule", "postencoder_graphs"]

TRIALS = ((25, 7, 40), (1,))
# Encoder frames a second where four feature frames make one.
RATE = 25.0


def postencoder_graphs(component: eo.Component) -> Mapping[str, eo.Graph]:
    """One graph, `postencoder`: frames and lengths in, frames and lengths out.

    Args:
        component: with a live post-encoder.
    """
    live = component.module
    first = next(iter(live.embed or ()), None)
    width = first.in_features if isinstance(first, nn.Linear) else live.output_size()
    axes = ("batch", "frames", None)
    graph = eo.Graph(
        PostEncoderModule(live).eval(),
        outputs=("out", "out_lengths"),
        axes={
            "feats": axes,
            "feats_lengths": ("batch",),
            "out": axes,
            "out_lengths": ("batch",),
        },
        lengths={"frames": "feats_lengths"},
        feed=lambda lengths: random_features(lengths, width),
        reference=_Reference(live),
        trials=TRIALS,
        rate=RATE,
    )
    return {"postencoder": graph}


class PostEncoderModule(nn.Module):
    """`TransformerPostEncoder` or `ConformerPostEncoder` over the live weights."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.before = nn.ModuleList()
        self.positions: nn.Module = NoPositions()
        for layer in live.embed or ():
            if is_position(layer):
                self.positions = position_layer(layer)
            elif not isinstance(layer, nn.Dropout):
                self.before.append(plain_layer(layer))
        self.blocks = nn.ModuleList(
            EncoderBlock(b, attention_class(b.self_attn)) for b in live.encoders
        )
        self.norm = Norm(live.after_norm) if live.normalize_before else None

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and (B,) -> (B, T, D) and (B,)."""
        x = feats
        for layer in self.before:
            x = layer(x)
        mask = frame_mask(feats_lengths, x.shape[1])
        x, position = self.positions(x, mask)
        for block in self.blocks:
            x = block(x, mask, position)
        # An output must not be an input of the same graph.
        return x if self.norm is None else self.norm(x), feats_lengths.clone()


@attrs.frozen
class _Reference:
    """Calls the live post-encoder on one utterance, and leaves it as it was."""

    live: Any

    def __call__(self, feed: Feed) -> Feed:
        feats, lengths = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
        with torch.no_grad(), unchanged(self.live):
            fresh_positions(self.live, TABLE)
            out, out_lengths = self.live(feats, lengths)
        return {"out": out.numpy(), "out_lengths": out_lengths.numpy()}
