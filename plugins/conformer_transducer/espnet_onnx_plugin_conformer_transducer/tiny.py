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

_TRANSLATION = {
    **{key: value for key, value in _CONFIG.items() if key not in ("model", "joint_net_conf")},
    "src_token_list": ["<blank>", "<unk>", *"qrstuv", "<space>", "<sos/eos>"],
    "src_token_type": "char",
    "model_conf": {"asr_weight": 0.3, "mt_weight": 0.0, "mtlalpha": 1.0, "st_mtlalpha": 0.0},
    "decoder_conf": {"rnn_type": "gru", "num_layers": 1, "hidden_size": 96},
    "st_joint_net_conf": {"joint_space_size": 48},
}
_BIG_BLANKS = {"ctc_weight": 0.0, "transducer_multi_blank_durations": [2, 3]}

MODELS = (
    TinyModel("lstm", _CONFIG),
    TinyModel("translation", _TRANSLATION, task="st"),
    TinyModel("multi_blank", {**_CONFIG, "model_conf": _BIG_BLANKS}),
)
