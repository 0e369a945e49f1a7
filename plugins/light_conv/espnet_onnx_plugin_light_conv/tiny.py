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
    "normalize": None,
    "encoder": "transformer",
    "encoder_conf": {
        "output_size": 32,
        "attention_heads": 2,
        "linear_units": 32,
        "num_blocks": 1,
    },
    "model_conf": {"ctc_weight": 0.3},
}
# No conv_usebias: a fresh convolution's bias is whatever lay in memory, often not a number.
# linear_units makes one weight wide enough to become int8.
_DECODER: Mapping[str, Any] = {
    "attention_heads": 2,
    "linear_units": 512,
    "num_blocks": 2,
    "conv_wshare": 4,
    "conv_kernel_length": [3, 5],
}


def _model(type: str, **conf: Any) -> TinyModel:
    return TinyModel(type, {**_BASE, "decoder": type, "decoder_conf": {**_DECODER, **conf}})


MODELS = (
    _model("lightweight_conv2d"),
    _model("dynamic_conv2d", normalize_before=False),
)
