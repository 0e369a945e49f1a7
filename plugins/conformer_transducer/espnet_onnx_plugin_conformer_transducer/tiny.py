"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS"]

_CONFIG = {
    "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
    "token_type": "char",
    "frontend": "default",
    "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 16},
    "specaug": None,
    "normalize": "utterance_mvn",
    "encoder": "transformer",
    "encoder_conf": {
        "output_size": 32,
        "attention_heads": 2,
        "linear_units": 64,
        "num_blocks": 1,
    },
    "model": "espnet",
    "model_conf": {"ctc_weight": 0.3},
    "decoder": "transducer",
    # Wide enough for a weight that becomes int8.
    "decoder_conf": {"rnn_type": "lstm", "num_layers": 2, "hidden_size": 64},
    "joint_net_conf": {"joint_space_size": 48},
}

MODELS = (TinyModel("lstm", _CONFIG),)
