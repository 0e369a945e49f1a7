"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from espnet_onnx.testing import TinyModel

if TYPE_CHECKING:
    from espnet_onnx.parts.recognizer import Recognizer

__all__ = ["MODELS", "recognise"]


def recognise(runtime: Recognizer) -> dict[str, Any]:
    """One second of noise, at most eight tokens a speaker."""
    import numpy as np

    noise = np.random.default_rng(0).normal(0, 0.1, runtime.sample_rate or 0).astype(np.float32)
    result = runtime(noise, beam_size=3, maxlenratio=-8)
    return {"text": result.text, "ids": list(map(int, result.ids)), "score": float(result.score)}


MODELS = (
    TinyModel(
        "pit_transformer",
        {
            "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
            "token_type": "char",
            "frontend": "default",
            "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 16},
            "specaug": None,
            "normalize": "utterance_mvn",
            "encoder": "transformer_multispkr",
            # linear_units makes one weight wide enough to become int8.
            "encoder_conf": {
                "output_size": 32,
                "attention_heads": 2,
                "linear_units": 512,
                "num_blocks": 1,
                "num_blocks_sd": 1,
                "num_inf": 2,
            },
            "ctc_conf": {"reduce": False},
            "decoder": "transformer",
            "decoder_conf": {"attention_heads": 2, "linear_units": 64, "num_blocks": 1},
            "model": "pit_espnet",
            "model_conf": {"ctc_weight": 0.2, "num_inf": 2, "num_ref": 2},
        },
        ask="espnet_onnx_plugin_multispeaker.tiny:recognise",
    ),
)
