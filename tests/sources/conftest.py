"""A pack that `espnet_onnx.sources` finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from .packs import write_pack


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write_pack(tmp_path / "pack")
