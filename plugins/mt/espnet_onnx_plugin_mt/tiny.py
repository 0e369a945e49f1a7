"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS", "translate"]

_BASE: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
    "token_type": "char",
    "src_token_list": ["<blank>", "<unk>", *map(str, range(20)), "<sos/eos>"],
    "src_token_type": "word",
    "frontend": "embed",
    "frontend_conf": {"embed_dim": 32},
    "encoder": "transformer",
    # linear_units makes one weight wide enough to become int8.
    "encoder_conf": {
        "input_layer": "linear",
        "output_size": 32,
        "attention_heads": 2,
        "linear_units": 512,
        "num_blocks": 1,
    },
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 64, "num_blocks": 1},
}
_ASK = "espnet_onnx_plugin_mt.tiny:translate"


def translate(runtime: Any) -> dict[str, Any]:
    """A text of eleven words, one of them unknown, to at most eight tokens."""
    text = " ".join(map(str, range(3, 13))) + " unheard"
    result = runtime(text, beam_size=3, maxlenratio=-8)
    return {"text": result.text, "ids": list(map(int, result.ids)), "score": float(result.score)}


MODELS = (
    TinyModel("mt", {**_BASE, "model": "mt"}, task="mt", ask=_ASK),
    TinyModel(
        "discrete_asr",
        {
            **_BASE,
            "model": "discrete_asr",
            "frontend": "patch",
            "frontend_conf": {"embed_dim": 32, "token_per_frame": 2},
            "model_conf": {"ctc_weight": 0.3, "patch_size": 1},
        },
        task="mt",
        ask=_ASK,
    ),
)
