"""espnet-onnx: ESPnet speech models as ONNX bundles that run without PyTorch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dropin import Speech2Text, StreamingSpeech2Text
    from .dropin_speech import Text2Speech
    from .homes import hooks
    from .hookspecs import hookimpl
    from .runtime import load
    from .types import Component, Declined, Graph, Node, Part, Quantise

__version__ = "1.0.0"

# Resolved on first use, so that `import espnet_onnx` stays light.
_HOME = {
    "Component": "types",
    "Declined": "types",
    "Graph": "types",
    "Node": "types",
    "Part": "types",
    "Quantise": "types",
    "Speech2Text": "dropin",
    "StreamingSpeech2Text": "dropin",
    "Text2Speech": "dropin_speech",
    "hookimpl": "hookspecs",
    "hooks": "homes",
    "load": "runtime",
}

__all__ = [
    "Component",
    "Declined",
    "Graph",
    "Node",
    "Part",
    "Quantise",
    "Speech2Text",
    "StreamingSpeech2Text",
    "Text2Speech",
    "__version__",
    "hookimpl",
    "hooks",
    "load",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
