"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["GENERATOR", "MODELS", "SPEAKERS", "VOCABULARY"]

VOCABULARY = 12
GENERATOR: Mapping[str, Any] = {
    "hidden_channels": 16,
    "segment_size": 4,
    "text_encoder_attention_heads": 2,
    "text_encoder_ffn_expand": 2,
    "text_encoder_blocks": 2,
    "text_encoder_conformer_kernel_size": 3,
    "decoder_channels": 16,
    "decoder_upsample_scales": [4, 2],
    "decoder_upsample_kernel_sizes": [8, 4],
    "decoder_resblock_kernel_sizes": [3],
    "decoder_resblock_dilations": [[1, 3]],
    "posterior_encoder_layers": 1,
    "flow_flows": 2,
    "flow_kernel_size": 3,
    "flow_layers": 2,
    "stochastic_duration_predictor_flows": 2,
    "stochastic_duration_predictor_dds_conv_layers": 2,
}
SPEAKERS: Mapping[str, Any] = {"spks": 5, "langs": 3, "spk_embed_dim": 6, "global_channels": 4}

MODELS: tuple[TinyModel, ...] = ()
