"""The graph of the standalone task's encoder (needs torch).

Shapes: B utterances, T frames, F features, D width.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.layers.live_encoder import random_features, unchanged
from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.layers.positions import Sinusoids
from espnet_onnx.types import Feed

from .standalone_attention_graph import sinusoidal, table
from .standalone_blocks_graph import block
from .standalone_conv_graph import BlockConv
from .standalone_input import conv_input

__all__ = ["StandaloneEncoder", "graphs"]


class StandaloneEncoder(nn.Module):
    """`espnet2.asr_transducer.encoder.encoder.Encoder` over whole utterances."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.input = conv_input(live.embed)
        self.sinusoids = Sinusoids(live.pos_enc.size)
        self.blocks = nn.ModuleList()
        # Numbers of the blocks that attend, and whether their positions are a table.
        self.attending: dict[int, bool] = {}
        behind = False
        for number, one in enumerate(live.encoders.blocks):
            if hasattr(one, "out_pos"):
                behind = True
                self.blocks.append(BlockConv(one))
                continue
            from_table = behind or not hasattr(one.self_att, "pos_bias_u")
            self.attending[number] = from_table
            self.blocks.append(block(one, from_table=from_table))
        self.norm = copy.copy(live.encoders.norm_blocks)

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and (B,) -> (B, T', D), (B,)."""
        x, lengths = self.input(feats, feats_lengths)
        mask = frame_mask(lengths, x.shape[1])
        sines = self.sines(x)
        distances = sinusoidal(*sines)
        for number, one in enumerate(self.blocks):
            if not isinstance(one, BlockConv):
                x = one(x, mask, table(distances) if self.attending[number] else sines)
                continue
            before = lengths
            x, lengths = one(x, before)
            mask = frame_mask(lengths, x.shape[1])
            if number < max(self.attending, default=0):
                distances = one.moved(distances, before, x.shape[1])
        return self.norm(x), lengths.clone()

    def sines(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """sin and cos (1, T+1, D/2) of the distances 0..T in (B, T, D), as `RelativePositions`."""
        sin, cos = self.sinusoids(torch.arange(x.shape[1] + 1, device=x.device))
        return sin[None], cos[None]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `encoder`: features and lengths in, states and lengths out.

    Args:
        component: with a live encoder, `given["input_size"]`, and optionally
            `given["frame_rate"]`, input frames per second.
        part: of `standalone_encoder_claim.claim`.
    """
    size = component.given.get("input_size")
    if not size:
        raise ModelError(
            "encoder asr_transducer: its input_size is unknown: export the whole model, or give "
            "the number of features per frame"
        )
    shortest = part.config["shortest"]
    out = ("batch", "encoder_frames", None)
    graph = eo.Graph(
        StandaloneEncoder(component.module).eval(),
        outputs=("encoder_out", "encoder_out_lengths"),
        axes={
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
            "encoder_out": out,
            "encoder_out_lengths": ("batch",),
        },
        lengths={"frames": "feats_lengths", "encoder_frames": "encoder_out_lengths"},
        feed=partial(random_features, width=int(size)),
        reference=partial(_reference, component.module),
        trials=((4 * shortest + 1, 2 * shortest + 3, 6 * shortest + 5), (shortest,)),
        rate=float(component.given.get("frame_rate") or 100),
    )
    return {"encoder": graph}


@torch.no_grad()
def _reference(live: Any, feed: Feed) -> Feed:
    """The live encoder of one utterance, as the task's `Speech2Text` calls it.

    That ignores the lengths that it returns: those of 202511 forget `conv1d` blocks.
    """
    feats, lengths = (torch.from_numpy(feed[name]) for name in ("feats", "feats_lengths"))
    with _whole(live):
        out, _ = live(feats, lengths)
    return {"encoder_out": out.numpy(), "encoder_out_lengths": np.array([out.shape[1]])}


@contextlib.contextmanager
def _whole(live: Any) -> Iterator[None]:
    """No chunks of random size, as in `Speech2Text`; all is put back.

    A call draws numbers in place, `keep_probs`, which only training looks at.
    """
    names = ("dynamic_chunk_training", "keep_probs")
    with unchanged(live, *names), torch.random.fork_rng(devices=[]):
        live.dynamic_chunk_training = False
        live.encoders.keep_probs = live.encoders.keep_probs.clone()
        yield
