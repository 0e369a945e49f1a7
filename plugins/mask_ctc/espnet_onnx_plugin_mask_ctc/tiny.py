"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from espnet_onnx.testing import TinyModel

if TYPE_CHECKING:
    from espnet_onnx.parts.recognizer import Recognizer

__all__ = ["MODELS", "recognise"]


def recognise(runtime: Recognizer) -> dict[str, Any]:
    """Two seconds of noise, nearly every token masked, in three rounds."""
    import numpy as np

    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 2 * (runtime.sample_rate or 0)).astype(np.float32)
    result = runtime(noise, n_iterations=3, threshold_probability=1.0)
    return {"text": result.text, "ids": list(map(int, result.ids)), "score": float(result.score)}


MODELS = (
    TinyModel(
        "mask_ctc",
        {
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
            "model": "maskctc",
            "model_conf": {"ctc_weight": 0.3},
            "decoder": "mlm",
            # linear_units makes one weight wide enough to become int8.
            "decoder_conf": {"attention_heads": 2, "linear_units": 512, "num_blocks": 2},
        },
        ask="espnet_onnx_plugin_mask_ctc.tiny:recognise",
    ),
)
