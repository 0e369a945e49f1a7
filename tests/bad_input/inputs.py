"""Files that are as they should be, or nearly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 8000
Run = Callable[..., tuple[int, str, str]]


def noise(samples: int = RATE, channels: int = 1) -> Any:
    shape = (samples, channels) if channels > 1 else samples
    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


def wav(path: Path, samples: Any, rate: int = RATE, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def changed_manifest(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), "utf-8")


def plain_file(path: Path) -> Path:
    path.write_text("x")
    return path


def empty_folder(path: Path) -> Path:
    path.mkdir()
    return path
