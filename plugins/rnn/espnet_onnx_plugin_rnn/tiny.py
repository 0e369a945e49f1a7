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
    "decoder": "rnn",
    "model_conf": {"ctc_weight": 0.3},
}
# One projection is wide enough to become int8.
_ENCODER = {"num_layers": 2, "hidden_size": 64, "output_size": 128}

MODELS = (
    TinyModel(
        "rnn",
        {
            **_BASE,
            "encoder": "rnn",
            "encoder_conf": {**_ENCODER, "subsample": [3, 2]},
            "decoder_conf": {
                "num_layers": 2,
                "hidden_size": 24,
                "att_conf": {"atype": "location", "adim": 16, "aconv_chans": 3, "aconv_filts": 4},
            },
        },
    ),
    TinyModel(
        "vgg_rnn",
        {
            **_BASE,
            "encoder": "vgg_rnn",
            "encoder_conf": {**_ENCODER, "rnn_type": "gru", "use_projection": False},
            "decoder_conf": {
                "rnn_type": "gru",
                "hidden_size": 24,
                "context_residual": True,
                "att_conf": {"atype": "multi_head_dot", "adim": 16, "aheads": 2},
            },
        },
    ),
)
