"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS"]

_WIDTH = {"output_size": 32, "attention_heads": 2, "num_blocks": 1}
# linear_units makes one weight wide enough to become int8.
_DECODER = {"attention_heads": 2, "linear_units": 512, "num_blocks": 1}
_BASE: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
    "token_type": "char",
    "src_token_list": ["<blank>", "<unk>", *"abcdefghijklmnopqrstuvwxyz", "<space>", "<sos/eos>"],
    "src_token_type": "char",
    "frontend": "default",
    "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 16},
    "specaug": None,
    "normalize": "utterance_mvn",
    "encoder": "transformer",
    "encoder_conf": {**_WIDTH, "linear_units": 64},
    "decoder": "transformer",
    "decoder_conf": _DECODER,
    "extra_asr_decoder": "transformer",
    "extra_asr_decoder_conf": {**_DECODER, "linear_units": 64},
    "model_conf": {"asr_weight": 0.3, "mtlalpha": 0.3},
}
MODELS = (
    TinyModel("extra_decoders", _BASE),
    TinyModel(
        "multidecoder",
        {
            **_BASE,
            "normalize": None,
            "decoder": "transformer_md",
            "md_encoder": "transformer",
            "md_encoder_conf": {**_WIDTH, "linear_units": 32, "input_layer": None},
            "model_conf": {**_BASE["model_conf"], "st_mtlalpha": 0.3},
        },
    ),
)
