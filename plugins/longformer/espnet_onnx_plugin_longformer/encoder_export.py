"""The graph of ESPnet's Longformer encoder.

Shapes: B utterances, T frames, F features, D width.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.layers.absolute_input import AbsoluteInput, input_width
from espnet_onnx.layers.encoder_block import EncoderBlock
from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.layers.norm import Norm

from .band_attention_export import BandAttention, key_bias
from .encoder_reference import EncoderReference

__all__ = ["LongformerModule", "encoder_graphs"]


class LongformerModule(nn.Module):
    """`LongformerEncoder` over the live weights.

    ESPnet pads an utterance's frames with zeros to a multiple of `step`. Nothing attends to them,
    but they are in the output, and convolutions of ESPnet 202511 see what the blocks make of them.

    Attributes:
        chunk: the widest window, on one side.
        step: what lengths are rounded up to.
        blind: convolutions do not see the padding, as since ESPnet 202611.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.input = AbsoluteInput(live.embed)
        self.chunk = max(int(block.self_attn.attention_window) for block in live.encoders)
        self.step = 2 * self.chunk
        self.blind = any(getattr(block, "_conv_takes_mask", False) for block in live.encoders)
        attention: Any = functools.partial(BandAttention, chunk=self.chunk)
        self.blocks = nn.ModuleList(EncoderBlock(block, attention) for block in live.encoders)
        self.norm = Norm(live.after_norm) if live.normalize_before else None

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and (B,) -> (B, T', D) and (B,), both with ESPnet's padding."""
        x, mask = self.input(feats, feats_lengths)
        frames = x.shape[1]
        size = (frames + self.step - 1) // self.step * self.step
        padded = (mask.lengths + self.step - 1) // self.step * self.step
        real, seen = frame_mask(mask.lengths, size), frame_mask(padded, size)
        x = x[:, torch.arange(size, device=x.device).clamp(max=frames - 1)] * real.valid
        position = (real.valid, key_bias(real.valid, self.chunk))
        for block in self.blocks:
            x = block(x, real if self.blind else seen, position)
        return x if self.norm is None else self.norm(x), padded


def encoder_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `encoder`: features and lengths in, states and lengths out.

    Args:
        component: with a live encoder, `given["input_size"]` for the conv2d input layers, and
            optionally `given["frame_rate"]`, input frames per second.
        part: of `encoder_claim`.
    """
    live = component.module
    width = input_width(live.embed, component.given.get("input_size"))
    if width is None:
        raise ModelError(
            f"encoder {component.type}: its input_size is unknown: export the whole model, "
            "or give the number of features per frame"
        )
    module = LongformerModule(live).eval()
    reference = EncoderReference(live, width)
    graph = eo.Graph(
        module,
        outputs=("encoder_out", "encoder_out_lengths"),
        axes={
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
        },
        lengths={"frames": "feats_lengths", "encoder_frames": "encoder_out_lengths"},
        feed=reference.feed,
        reference=reference,
        trials=_trials(live, module, part.config["shortest"]),
        rate=float(component.given.get("frame_rate") or 100),
    )
    return {"encoder": graph}


def _trials(live: Any, module: LongformerModule, shortest: int) -> Sequence[Sequence[int]]:
    """Input lengths that `sliding_chunks` takes: every layer's window wants its own multiple."""
    windows = [int(block.self_attn.attention_window) for block in live.encoders]
    whole = math.lcm(*(2 * window for window in windows))
    # Subsampling by `factor` at most halves so often that a few frames are lost.
    factor = _factor(live.embed)
    first, second = factor * (whole - 3) + shortest, factor * (2 * whole - 5) + shortest
    if whole > module.step:
        return ((first, second), (first,))
    return ((first, second, shortest), (shortest,))


def _factor(embed: Any) -> int:
    """Input frames per output frame."""
    convs = [m for m in getattr(embed, "conv", []) if isinstance(m, nn.Conv2d)]
    return math.prod(int(conv.stride[0]) for conv in convs)
