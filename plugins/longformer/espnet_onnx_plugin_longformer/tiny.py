"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS"]

MODELS = (
    TinyModel(
        "longformer",
        {
            "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
            "token_type": "char",
            "frontend": "default",
            "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 16},
            "specaug": None,
            "normalize": "utterance_mvn",
            "encoder": "longformer",
            # linear_units makes one weight wide enough to become int8.
            "encoder_conf": {
                "output_size": 32,
                "attention_heads": 2,
                "linear_units": 512,
                "num_blocks": 2,
                "cnn_module_kernel": 5,
                "macaron_style": True,
                "attention_windows": [3, 6],
                "attention_dilation": [1, 1],
            },
            "decoder": "transformer",
            "decoder_conf": {"attention_heads": 2, "linear_units": 64, "num_blocks": 1},
            "model_conf": {"ctc_weight": 0.3},
        },
    ),
)
