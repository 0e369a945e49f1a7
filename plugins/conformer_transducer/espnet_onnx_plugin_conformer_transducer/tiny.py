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

_STANDALONE = {
    "token_list": _CONFIG["token_list"],
    "token_type": "char",
    "frontend": "default",
    "frontend_conf": _CONFIG["frontend_conf"],
    "specaug": None,
    "normalize": "utterance_mvn",
    "joint_network_conf": {"joint_space_size": 48},
}
_SIZES = {"hidden_size": 32, "linear_size": 64, "conv_mod_kernel_size": 3, "heads": 2}
_RECURRENT = {
    **_STANDALONE,
    "encoder_conf": {
        "main_conf": {"dynamic_chunk_training": True},
        "body_conf": [{"block_type": "conformer", **_SIZES}],
    },
    "decoder": "rnn",
    "decoder_conf": {"rnn_type": "lstm", "embed_size": 64, "hidden_size": 64},
}
# Every other block; what shortens stands between them.
_STATELESS = {
    **_STANDALONE,
    "encoder_conf": {
        "main_conf": {"norm_type": "rms_norm", "conv_mod_norm_type": "basic_norm"},
        "input_conf": {"vgg_like": True, "conv_size": [4, 4]},
        "body_conf": [
            {"block_type": "branchformer", **_SIZES},
            {"block_type": "conv1d", "output_size": 32, "kernel_size": 3, "stride": 2},
            {"block_type": "ebranchformer", **_SIZES, "linear_size": 512},
        ],
    },
    "decoder": "stateless",
    "decoder_conf": {"embed_size": 32},
}

MODELS = (
    TinyModel("lstm", _CONFIG),
    TinyModel("translation", _TRANSLATION, task="st"),
    TinyModel("multi_blank", {**_CONFIG, "model_conf": _BIG_BLANKS}),
    TinyModel("standalone", _RECURRENT, task="asr_transducer"),
    TinyModel("stateless", _STATELESS, task="asr_transducer"),
)
