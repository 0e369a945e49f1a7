"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["GENERATOR", "MODELS", "SPEAKERS", "TOKENS", "VITS"]

TOKENS = ("<blank>", "<unk>", *"aeinost", "<space>", ".", "<sos/eos>")
GENERATOR: Mapping[str, Any] = {
    "hidden_channels": 32,
    "segment_size": 4,
    "text_encoder_attention_heads": 2,
    # Wide enough to become int8.
    "text_encoder_ffn_expand": 16,
    "text_encoder_blocks": 1,
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
VITS: Mapping[str, Any] = {
    "generator_params": GENERATOR,
    "discriminator_type": "hifigan_period_discriminator",
    "discriminator_params": {"channels": 2, "max_downsample_channels": 4},
    "sampling_rate": 8000,
}

_BASE: Mapping[str, Any] = {
    "token_list": list(TOKENS),
    "token_type": "char",
    "cleaner": None,
    "g2p": None,
    "feats_extract": "linear_spectrogram",
    "feats_extract_conf": {"n_fft": 16, "hop_length": 8, "win_length": None},
    "normalize": None,
    "tts": "vits",
}

MODELS = (
    TinyModel("vits", {**_BASE, "tts_conf": VITS}, task="gan_tts"),
    TinyModel(
        "vits_voices",
        {**_BASE, "tts_conf": {**VITS, "generator_params": {**GENERATOR, **SPEAKERS}}},
        task="gan_tts",
    ),
)
