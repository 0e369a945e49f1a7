"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS"]

_BASE: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
    "token_type": "char",
    "frontend": "default",
    "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 16},
    "specaug": None,
    "normalize": "utterance_mvn",
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 512, "num_blocks": 1},
    "model_conf": {"ctc_weight": 0.3},
}
# linear_units makes one weight wide enough to become int8.
_ENCODER = {"output_size": 32, "attention_heads": 2, "linear_units": 512, "num_blocks": 1}
_BRANCHES = {
    "output_size": 32,
    "attention_heads": 2,
    "cgmlp_linear_units": 512,
    "cgmlp_conv_kernel": 7,
    "num_blocks": 1,
}

MODELS = (
    TinyModel(
        "conformer",
        {
            **_BASE,
            "encoder": "conformer",
            "encoder_conf": {
                **_ENCODER,
                "cnn_module_kernel": 3,
                "rel_pos_type": "latest",
                "pos_enc_layer_type": "rel_pos",
                "selfattention_layer_type": "rel_selfattn",
            },
        },
    ),
    TinyModel(
        "transformer",
        {
            **_BASE,
            "encoder": "transformer",
            "encoder_conf": {**_ENCODER, "num_blocks": 2},
            "postencoder": "length_adaptor",
            "postencoder_conf": {"length_adaptor_n_layers": 1},
        },
    ),
    TinyModel(
        "branchformer",
        {
            **_BASE,
            "encoder": "branchformer",
            "encoder_conf": {**_BRANCHES, "merge_method": "learned_ave"},
        },
    ),
    TinyModel(
        "e_branchformer",
        {
            **_BASE,
            "encoder": "e_branchformer",
            "encoder_conf": {
                **_BRANCHES,
                "linear_units": 64,
                "use_ffn": True,
                "macaron_ffn": True,
            },
        },
    ),
    TinyModel(
        "multiconv_conformer",
        {
            **_BASE,
            "encoder": "multiconv_conformer",
            "encoder_conf": {
                **_ENCODER,
                "cgmlp_linear_units": 64,
                "multicgmlp_kernel_sizes": "3,5",
                "multicgmlp_merge_conv_kernel": 3,
                "rel_pos_type": "latest",
            },
        },
    ),
)
