"""A tiny recogniser that hears through two frontends of different rates."""

from __future__ import annotations

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS"]

MODELS = (
    TinyModel(
        "fused",
        {
            "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
            "token_type": "char",
            "frontend": "fused",
            "frontend_conf": {
                "fs": 8000,
                "frontends": [
                    {"frontend_type": "default", "n_fft": 128, "hop_length": 64, "n_mels": 16},
                    # Wide enough, times two frames, for the projection to become int8.
                    {"frontend_type": "default", "n_fft": 256, "hop_length": 128, "n_mels": 64},
                ],
                "proj_dim": 128,
            },
            "specaug": None,
            "normalize": "utterance_mvn",
            "encoder": "transformer",
            "encoder_conf": {
                "input_layer": "linear",
                "output_size": 16,
                "attention_heads": 2,
                "linear_units": 16,
                "num_blocks": 1,
            },
            "model_conf": {"ctc_weight": 1.0},
        },
    ),
)
