"""A live model of one layer, and where its bundle goes."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest


@pytest.fixture
def live() -> argparse.Namespace:
    """What `loader.from_live` takes for one of ESPnet's inference objects."""
    import torch

    from .one_layer import WIDTH

    torch.manual_seed(0)
    return argparse.Namespace(
        model=torch.nn.Linear(WIDTH, WIDTH).eval(), train_args=argparse.Namespace(token_list=["a"])
    )


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "bundle"
