"""Tiny recognisers whose encoder hears the waveform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["CONVS", "ENCODER", "MODELS"]

CONVS = [[16, 10, 5], [16, 3, 2], [16, 3, 2], [16, 2, 2]]
# The feed-forward layers are wide enough to become int8.
ENCODER: Mapping[str, Any] = {
    "extractor_conv_layer_config": CONVS,
    "encoder_embed_dim": 32,
    "encoder_pos_conv_kernel": 16,
    "encoder_pos_conv_groups": 4,
    "encoder_num_layers": 2,
    "encoder_num_heads": 4,
    "encoder_ff_interm_features": 512,
    "final_dim": 8,
}

_ASR: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
    "token_type": "char",
    "input_size": 1,
    "frontend": None,
    "specaug": None,
    "normalize": None,
    "model_conf": {"ctc_weight": 1.0},
}
MODELS = (
    TinyModel(
        "torchaudiohubert",
        {
            **_ASR,
            "encoder": "torchaudiohubert",
            "encoder_conf": {**ENCODER, "num_classes": 10, "finetuning": True},
        },
    ),
    TinyModel(
        "hubert_task",
        {
            "token_list": ["<blank>", "<unk>", "0", "1", "<sos/eos>"],
            "num_classes": 10,
            "input_size": 1,
            "frontend": None,
            "specaug": None,
            "normalize": None,
            "encoder": "torchaudio_hubert",
            "encoder_conf": {
                **ENCODER,
                "extractor_mode": "layer_norm",
                "encoder_layer_norm_first": True,
            },
            "model": "torchaudio",
        },
        task="hubert",
        ask="espnet_onnx_plugin_hubert.espnet_ssl_tiny:hear",
    ),
)
