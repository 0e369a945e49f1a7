"""A tiny model for the conformance kit: an otherwise ordinary ESPnet recogniser."""

from __future__ import annotations

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS"]

MODELS = (
    TinyModel(
        "asr",
        {
            "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
            "token_type": "char",
            "frontend": "default",
            "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 16},
            "specaug": None,
            "normalize": "utterance_mvn",
            "encoder": "tdnn",
            # Wide enough for int8.
            "encoder_conf": {"output_size": 80, "contexts": [[-1, 0, 1], [-2, 0, 2]]},
            "decoder": "transformer",
            "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
            "model_conf": {"ctc_weight": 0.3},
        },
    ),
)
