"""Tiny random ESPnet models in folders, for tests of whole models.

Weights are spread so that a wrong step shows in the tokens; a real one would be as certain.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["TINY", "changed", "write_model"]

TINY: dict[str, Any] = {
    "token_list": ["<blank>", "<unk>", "<space>", "A", "B", "C", "D", "<sos/eos>"],
    "token_type": "char",
    "init": None,
    "frontend": "default",
    "frontend_conf": {"fs": "8k", "n_fft": 128, "hop_length": 64, "n_mels": 16},
    "normalize": None,
    "encoder": "transformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 1,
    },
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
    "model_conf": {"ctc_weight": 0.3},
    "specaug": None,
}


def changed(**replaced: Any) -> dict[str, Any]:
    """The tiny config with other values; a mapping is merged into the one that is there."""
    config = copy.deepcopy(TINY)
    for key, value in replaced.items():
        old = config.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        config[key] = {**old, **value} if both else value
    return config


def write_model(
    folder: Path, config: Mapping[str, Any] = TINY, *, spread: float = 0.4, task: str = "asr"
) -> Path:
    """A model folder: config.yaml, and random weights that are always the same."""
    import torch

    from espnet_onnx import loader

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, _ = loader.build_model(config, task, base=folder)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(spread * torch.randn_like(parameter))
    torch.save(model.state_dict(), folder / "valid.acc.ave.pth")
    return folder
