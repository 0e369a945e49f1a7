"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel, feats_stats

__all__ = ["MODELS"]

# CTC alone over one small block: what comes before the encoder is what is tried here.
_BASE: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
    "token_type": "char",
    "frontend": "default",
    "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 16},
    "specaug": None,
    "encoder": "transformer",
    "encoder_conf": {
        "input_layer": "linear",
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 1,
    },
    "model_conf": {"ctc_weight": 1.0},
}

MODELS = (
    TinyModel(
        "global_mvn_linear",
        {
            **_BASE,
            "normalize": "global_mvn",
            "normalize_conf": {"stats_file": "stats/feats_stats.npz"},
            "preencoder": "linear",
            # Wide enough to become int8.
            "frontend_conf": {**_BASE["frontend_conf"], "n_mels": 64},
            "preencoder_conf": {"input_size": 64, "output_size": 256},
        },
        files={"stats/feats_stats.npz": feats_stats(64)},
    ),
    TinyModel("utterance_mvn", {**_BASE, "normalize": "utterance_mvn"}),
)
