"""A tiny model of ESPnet's own ssl task, by itself and as the frontend of a recogniser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS", "SSL", "UPSTREAM", "hear"]

# XEUS in small.
SSL: Mapping[str, Any] = {
    "token_list": ["0", "1", "<unk>", "<sos/eos>"],
    "token_type": "word",
    "frontend": "wav2vec_cnn",
    "frontend_conf": {
        "norm_mode": "layer_norm",
        "conv_mode": "standard",
        "bias": True,
        # The second is wide enough to become int8; the third, of the upper half, stays in fp32.
        "shapes": [[64, 10, 5], [64, 4, 4], [16, 2, 2]],
        "normalize_audio": True,
    },
    "normalize": None,
    "preencoder": "linear",
    "preencoder_conf": {"output_size": 16},
    "encoder": "e_branchformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "attention_layer_type": "selfattn",
        "pos_enc_layer_type": "conv",
        "input_layer": None,
        "cgmlp_linear_units": 32,
        "cgmlp_conv_kernel": 7,
        "linear_units": 32,
        "num_blocks": 2,
        "use_ffn": True,
        "macaron_ffn": True,
    },
    "loss": [{"name": "hubert", "conf": {"num_classes": 2, "final_dim": 8}}],
    "util": [{"name": "mask", "conf": {}}],
}
# The encoder of a HuBERT-base in small. (With its group norm no convolution would become int8.)
UPSTREAM: Mapping[str, Any] = {
    **SSL,
    "encoder": "transformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "pos_enc_layer_type": "conv",
        "input_layer": "wav2vec",
        "linear_units": 32,
        "num_blocks": 2,
        "normalize_before": False,
    },
}


def hear(extractor: Any) -> list[list[float]]:
    """A frame of half a second of noise, of every layer and of the whole."""
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    layers = [None, *range(extractor.layers)]
    return [extractor(noise, layer=layer)[7].tolist() for layer in layers]


def _write_config(path: Path) -> None:
    path.write_text(yaml.safe_dump(dict(UPSTREAM)), "utf-8")


MODELS = (
    TinyModel("ssl", SSL, task="ssl", ask=f"{__name__}:hear"),
    TinyModel(
        "espnet_ssl",
        {
            "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
            "token_type": "char",
            "frontend": "espnet_ssl",
            "frontend_conf": {
                "frontend_conf": {"path_or_url": "upstream/ssl.pth"},
                "multilayer_feature": True,
            },
            "specaug": None,
            "normalize": None,
            "preencoder": None,
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
        # Of its checkpoint only the name is looked at.
        files={"upstream/config.yaml": _write_config, "upstream/ssl.pth": Path.touch},
    ),
)
