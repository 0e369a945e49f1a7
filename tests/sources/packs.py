"""ESPnet packs of a few bytes, and how models are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from espnet_onnx.errors import ModelError
from espnet_onnx.sources import find

TOKENS = ["<blank>", "exp", ".", "stats/a.npz", "<sos/eos>"]

CONFIG = {
    "token_list": TOKENS,
    "token_type": "bpe",
    "bpemodel": "bpe.model",
    "encoder": "conformer",
    "ctc_conf": {"brctc_risk_strategy": "exp"},
    "normalize_conf": {"stats_file": "stats/a.npz"},
}


def write_pack(folder: Path, **changes: Any) -> Path:
    """An unpacked ESPnet pack whose weights are a few bytes."""
    meta = {
        "espnet": "202511",
        "yaml_files": {"asr_train_config": "exp/m/config.yaml"},
        "files": {"asr_model_file": "exp/m/valid.acc.ave.pth"},
        **changes,
    }
    for name, content in {
        "meta.yaml": yaml.safe_dump(meta),
        "exp/m/config.yaml": yaml.safe_dump(CONFIG),
        "exp/m/valid.acc.ave.pth": "weights",
        "bpe.model": "pieces",
        "stats/a.npz": "statistics",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def write_zip(path: Path, folder: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            packed.write(file, prefix + str(file.relative_to(folder)))
    return path


def refused(model: Path | str, *words: str, **options: Any) -> str:
    """The one line with which `find` refuses a model."""
    with pytest.raises(ModelError) as caught:
        find(model, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message
