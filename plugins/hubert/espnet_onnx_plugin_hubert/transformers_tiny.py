"""Tiny recognisers over models of transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from espnet_onnx.testing import TinyModel

from .s3prl_tiny import ASR

__all__ = ["MODELS", "SIZES", "hear", "write_json"]

# The feed-forward layers are wide enough to become int8.
SIZES: Mapping[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "vocab_size": 8,
}
_LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}


def hear(runtime: Any) -> dict[str, Any]:
    """What a recogniser hears in a second of noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, runtime.sample_rate).astype(np.float32)
    result = runtime(noise, beam_size=3, maxlenratio=-8)
    return {"ids": list(map(int, result.ids)), "score": float(result.score)}


def write_json(values: Mapping[str, Any]) -> Callable[[Path], None]:
    """Writes a config as transformers reads it."""

    def write(path: Path) -> None:
        path.write_text(json.dumps(dict(values)), "utf-8")

    return write


def _asr(name: str, config: Mapping[str, Any], processor: Mapping[str, Any]) -> TinyModel:
    prepared = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", **processor}
    return TinyModel(
        name,
        {
            **ASR,
            "frontend": "huggingface",
            "frontend_conf": {"model": f"ssl/{name}", "fs": "16k"},
        },
        # ESPnet 202511 takes samples for frames here and cannot recognise.
        ask="espnet_onnx_plugin_hubert.transformers_tiny:hear",
        files={
            f"ssl/{name}/config.json": write_json({**SIZES, **config}),
            f"ssl/{name}/preprocessor_config.json": write_json(prepared),
        },
        needs=("transformers",),
    )


MODELS = (
    _asr(
        "huggingface",
        {"model_type": "wavlm", "num_buckets": 32, "max_bucket_distance": 40, **_LARGE},
        {"do_normalize": True, "return_attention_mask": True},
    ),
)
