"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel, feats_stats

__all__ = ["MODELS"]

_BASE: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
    "token_type": "char",
    "frontend": "default",
    "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 16},
    "specaug": None,
    "normalize": "global_mvn",
    "normalize_conf": {"stats_file": "stats.npz"},
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 32, "num_blocks": 1},
    "model_conf": {"ctc_weight": 0.3},
}
# linear_units makes one weight wide enough to become int8.
_ENCODER = {
    "output_size": 32,
    "attention_heads": 2,
    "linear_units": 512,
    "num_blocks": 2,
    "block_size": 10,
    "hop_size": 4,
    "look_ahead": 4,
}
_FILES = {"stats.npz": feats_stats(16)}

MODELS = (
    TinyModel(
        "transformer",
        {**_BASE, "encoder": "contextual_block_transformer", "encoder_conf": _ENCODER},
        _FILES,
    ),
    TinyModel(
        "conformer",
        {
            **_BASE,
            "encoder": "contextual_block_conformer",
            "encoder_conf": {**_ENCODER, "macaron_style": True, "cnn_module_kernel": 3},
        },
        _FILES,
    ),
)
