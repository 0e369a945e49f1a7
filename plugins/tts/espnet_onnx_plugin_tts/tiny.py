"""Tiny models that speak, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS", "VITS"]

_GENERATOR: Mapping[str, Any] = {
    "hidden_channels": 16,
    "spks": 4,
    "spk_embed_dim": 6,
    "global_channels": 4,
    "segment_size": 4,
    "text_encoder_attention_heads": 2,
    "text_encoder_ffn_expand": 2,
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
    "flow_layers": 1,
    "stochastic_duration_predictor_flows": 2,
    "stochastic_duration_predictor_dds_conv_layers": 1,
}

VITS: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"aeinost", "<space>", ".", "<sos/eos>"],
    "token_type": "char",
    "cleaner": None,
    "g2p": None,
    "feats_extract": "linear_spectrogram",
    "feats_extract_conf": {"n_fft": 16, "hop_length": 8, "win_length": None},
    "normalize": None,
    "tts": "vits",
    "tts_conf": {
        "generator_params": _GENERATOR,
        "discriminator_type": "hifigan_period_discriminator",
        "discriminator_params": {"channels": 2, "max_downsample_channels": 4},
        "sampling_rate": 8000,
    },
}

MODELS = (TinyModel("vits", VITS, task="gan_tts"),)
