"""A tiny model with the kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS"]

# As the recipe egs2/librispeech/asr1 has it, but small. The last layer has a weight wide enough to
# become int8.
_LAYERS: list[Mapping[str, Any]] = [
    {"_name_": "s4", "postact": "glu", "d_state": 8, "n_ssm": 1, "measure": "legs", "lr": 0.0025},
    {"_name_": "mha", "n_head": 2},
    {"_name_": "ff", "expand": 16, "activation": "gelu"},
]

MODELS = (
    TinyModel(
        "s4",
        {
            "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
            "token_type": "char",
            "frontend": "default",
            "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 16},
            "specaug": None,
            "normalize": None,
            "encoder": "transformer",
            "encoder_conf": {
                "output_size": 32,
                "attention_heads": 2,
                "linear_units": 32,
                "num_blocks": 1,
            },
            "decoder": "s4",
            "decoder_conf": {
                "n_layers": 1,
                "layer": _LAYERS,
                "residual": "residual",
                "norm": "layer",
                "drop_path": 0.1,
            },
            "model_conf": {"ctc_weight": 0.3},
        },
    ),
)
