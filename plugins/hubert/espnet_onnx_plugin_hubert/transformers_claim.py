"""What is known of a `transformers` model from its config.json alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["MODEL_TYPES", "config_of", "refusal"]

# `model_type` of the models that hear waveforms and are a HuBERT-like transformer.
MODEL_TYPES = (
    "data2vec-audio",
    "hubert",
    "unispeech",
    "unispeech-sat",
    "wav2vec2",
    "wavlm",
)


def config_of(model: str, base: Path | None) -> Mapping[str, Any] | None:
    """The config.json of a local model folder, or None: a claim downloads nothing."""
    folder = Path(model)
    if base is not None and not folder.is_absolute():
        folder = base / folder
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None


def refusal(config: Mapping[str, Any]) -> str | None:
    """Why a model of this config.json cannot be exported, or None."""
    name = config.get("model_type")
    if name not in MODEL_TYPES:
        return f"transformers' {name} does not hear waveforms; there are {', '.join(MODEL_TYPES)}"
    if config.get("add_adapter") or config.get("adapter_attn_dim"):
        return f"transformers' {name} with adapters"
    return None
