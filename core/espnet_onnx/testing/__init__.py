"""The conformance kit: what every plugin's tests run, first-party or not.

from espnet_onnx.testing import Conformance

class TestConformance(Conformance):
    plugin = "tdnn"

The plugin states `KINDS` in its module and tiny models of all of them in its module `tiny`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .conformance import Conformance
    from .specimen import Specimen, write_model
    from .tiny import TinyModel, feats_stats, tiny_models

# Resolved on first use: a plugin's `tiny` needs no torch, and neither does what runs a bundle.
_HOME = {
    "Conformance": "conformance",
    "Specimen": "specimen",
    "TinyModel": "tiny",
    "feats_stats": "tiny",
    "tiny_models": "tiny",
    "write_model": "specimen",
}

__all__ = [
    "Conformance",
    "Specimen",
    "TinyModel",
    "feats_stats",
    "tiny_models",
    "write_model",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
