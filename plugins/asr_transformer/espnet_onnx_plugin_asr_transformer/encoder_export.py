"""Graphs of ESPnet's `transformer` and `conformer` encoders.

Shapes: B utterances, T frames, F features, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.layers.encoder_block import EncoderBlock
from espnet_onnx.layers.encoder_input import EncoderInput
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.live_classes import attention_class
from espnet_onnx.layers.live_encoder import random_features
from espnet_onnx.layers.norm import Norm
from espnet_onnx.types import Feed

from .encoder_reference import EncoderReference, table_length

__all__ = ["EncoderModule", "encoder_graphs"]


def encoder_graphs(
    component: eo.Component, part: eo.Part, module_class: type[EncoderModule] | None = None
) -> Mapping[str, eo.Graph]:
    """One graph, `encoder`: features and lengths in, states, lengths and inner states out.

    Args:
        component: with a live encoder, `given["input_size"]` for the conv2d input layers,
            `given["ctc"]` where self-conditioning needs it, and optionally `given["frame_rate"]`,
            input frames per second, and `given["hidden_states"]` as in `encoder_claim`.
        part: of `encoder_claim.encoder_part`.
        module_class: the encoder's own, None for `EncoderModule` itself.
    """
    inter = part.config["inter"]
    module = (module_class or EncoderModule)(component, inter).eval()
    names = [f"inter_{i}" for i in inter]
    out = ("batch", "encoder_frames", None)
    tokens = part.config["tokens"]
    axes: dict[str, Sequence[str | None]] = {
        "feats": ("batch", "frames") if tokens else ("batch", "frames", None),
        "feats_lengths": ("batch",),
        "encoder_out": out,
        "encoder_out_lengths": ("batch",),
        **dict.fromkeys(names, out),
    }
    graph = eo.Graph(
        module,
        outputs=("encoder_out", "encoder_out_lengths", *names),
        axes=axes,
        lengths={"frames": "feats_lengths", "encoder_frames": "encoder_out_lengths"},
        feed=_Feeds(_input_size(component), tokens),
        reference=EncoderReference.of(component, inter),
        trials=_trials(part.config["shortest"]),
        rate=float(component.given.get("frame_rate") or 100),
    )
    return {"encoder": graph}


def _trials(shortest: int) -> Sequence[Sequence[int]]:
    """Odd lengths in a ragged batch, and the shortest utterance alone."""
    return ((4 * shortest + 1, 2 * shortest + 3, 6 * shortest + 5), (shortest,))


def _input_size(component: eo.Component) -> int:
    """Features F per frame, or the number of tokens."""
    embed = component.module.embed
    first = embed[0] if isinstance(embed, nn.Sequential) else embed
    if isinstance(first, nn.Linear):
        return first.in_features
    if isinstance(first, nn.Embedding):
        return first.num_embeddings
    conv = getattr(embed, "conv", None)
    if conv is None:
        return int(component.module.output_size())
    if isinstance(conv[0], nn.Conv1d):
        return conv[0].in_channels
    size = component.given.get("input_size")
    if not size:
        raise ModelError(
            f"encoder {component.type}: its input_size is unknown: export the whole model, "
            "or give the number of features per frame"
        )
    return int(size)


class _Feeds:
    """Random inputs; what stands behind an utterance's end is as random, to show any leak."""

    def __init__(self, size: int, tokens: bool) -> None:
        self.size, self.tokens = size, tokens

    def __call__(self, lengths: Sequence[int]) -> Feed:
        if not self.tokens:
            return random_features(lengths, self.size)
        rng = np.random.default_rng([len(lengths), *lengths])
        tokens = rng.integers(0, self.size, (len(lengths), max(lengths)))
        return {"feats": tokens, "feats_lengths": np.array(lengths, np.int64)}


class EncoderModule(nn.Module):
    """A Transformer or Conformer encoder over the live weights."""

    def __init__(self, component: eo.Component, inter: Sequence[int]) -> None:
        super().__init__()
        live = component.module
        self.input = EncoderInput(live.embed, table_length(component))
        self.blocks = nn.ModuleList(self.block(block) for block in live.encoders)
        # Only some encoders leave the choice.
        normed = getattr(live, "normalize_before", True)
        self.norm = Norm(live.after_norm) if normed else None
        self.inter = tuple(inter)
        self.hidden = bool(component.given.get("hidden_states"))
        conditioned = inter and not self.hidden and live.interctc_use_conditioning
        self.ctc = Affine.of(_ctc(component).ctc_lo) if conditioned else None
        self.conditioning = Affine.of(live.conditioning_layer) if conditioned else None

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, ...]:
        """(B, T, F) and (B,) -> (B, T', D), (B,), then (B, T', D) for every inner output."""
        x, mask, position = self.input(feats, feats_lengths)
        inter = []
        for number, block in enumerate(self.blocks, 1):
            x = block(x, mask, position)
            if number in self.inter:
                inter.append(x if self.hidden else self.inner(x))
                x = self.condition(x, inter[-1])
        # An output must not be an input of the same graph, as lengths without subsampling are.
        return self.normed(x), mask.lengths.clone(), *inter

    def block(self, live: Any) -> nn.Module:
        """The graph form of an `EncoderLayer`."""
        return EncoderBlock(live, attention_class(live.self_attn))

    def normed(self, x: Tensor) -> Tensor:
        """The encoder's last LayerNorm."""
        return x if self.norm is None else self.norm(x)

    def inner(self, x: Tensor) -> Tensor:
        """What an inner output is, and what its CTC reads, where a block returned x."""
        return self.normed(x)

    def condition(self, x: Tensor, out: Tensor) -> Tensor:
        """Self-conditioned CTC: the posteriors of `out`, projected back, added to x."""
        if self.ctc is None or self.conditioning is None:
            return x
        conditioned: Tensor = x + self.conditioning(torch.softmax(self.ctc(out), -1))
        return conditioned


def _ctc(component: eo.Component) -> Any:
    ctc = component.given.get("ctc")
    if ctc is None:
        raise ModelError(
            f"encoder {component.type}: self-conditioning needs the model's CTC: "
            "export the whole model"
        )
    return ctc
