"""Tiny live VITS models, and their graphs with torch in the place of onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from espnet2.gan_tts.vits import vits

import espnet_onnx as eo
from espnet_onnx.tracer import input_names
from espnet_onnx.types import Array, Feed
from espnet_onnx_plugin_vits.acoustic_claim import claim
from espnet_onnx_plugin_vits.acoustic_export import graphs
from espnet_onnx_plugin_vits.tiny import GENERATOR, SPEAKERS, TOKENS, VITS

__all__ = ["VARIANTS", "Eager", "Noises", "claimed", "component"]

# What a variant changes in `generator_params`.
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "speakers": {**SPEAKERS, "spk_embed_dim": None},
    "one_speaker_of_one": {"spks": 1, "langs": -1, "spk_embed_dim": 0, "global_channels": 4},
    "embeddings": {"spk_embed_dim": 6, "global_channels": 4},
    "everything": SPEAKERS,
    "odd_flows": {
        "flow_flows": 3,
        "use_only_mean_in_flow": False,
        "use_weight_norm_in_flow": False,
        "flow_base_dilation": 2,
    },
    "one_spline": {"stochastic_duration_predictor_flows": 1},
    "transformer": {
        "text_encoder_positional_encoding_layer_type": "scaled_abs_pos",
        "text_encoder_self_attention_layer_type": "selfattn",
        "text_encoder_positionwise_layer_type": "linear",
        "text_encoder_normalize_before": False,
        "use_macaron_style_in_text_encoder": False,
        "use_conformer_conv_in_text_encoder": False,
    },
    "legacy": {
        "text_encoder_positional_encoding_layer_type": "legacy_rel_pos",
        "text_encoder_self_attention_layer_type": "legacy_rel_selfattn",
        "text_encoder_positionwise_layer_type": "conv1d-linear",
        "text_encoder_positionwise_conv_kernel_size": 3,
    },
}


def component(variant: str) -> eo.Component:
    """A live model with nothing left at zero or one."""
    torch.manual_seed(0)
    conf = {**VITS, "generator_params": {**GENERATOR, **VARIANTS[variant]}}
    live = vits.VITS(idim=len(TOKENS), odim=9, **conf).eval()
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for name, buffer in live.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    return eo.Component("tts", "acoustic", "vits", conf, live)


def claimed(acoustic: eo.Component) -> tuple[eo.Part, Mapping[str, eo.Graph]]:
    part = claim(acoustic)
    assert isinstance(part, eo.Part)
    return part, graphs(acoustic, part)


class Eager:
    """A graph's module behind `roles.Session`, and as `parity.compare` runs it."""

    def __init__(self, graph: eo.Graph) -> None:
        self.graph, self.names = graph, input_names(graph)

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        assert set(feed) == set(self.names)
        with torch.no_grad():
            out = self.graph.module(*(torch.from_numpy(feed[name].copy()) for name in self.names))
        return tuple(x.numpy() for x in (out if isinstance(out, tuple) else (out,)))

    def run(self, feed: Feed) -> Feed:
        out = self(**{name: feed[name] for name in self.names})
        return dict(zip(self.graph.outputs, out, strict=True))


class Noises:
    """The same noise for an utterance whatever it is batched with: `roles.Noise`.

    Attributes:
        drawn: name -> what was given last.
    """

    def __init__(self, *seeds: int) -> None:
        self.seeds = seeds
        self.drawn: dict[str, Array] = {}

    def __call__(self, name: str, shape: Any) -> Array:
        _, channels, length = shape
        rows = []
        for seed in self.seeds:
            rng = np.random.default_rng([len(name), seed])
            rows.append(rng.standard_normal((2000, channels), dtype=np.float32)[:length].T)
        self.drawn[name] = np.stack(rows)
        return self.drawn[name]
