"""Runs a model of ESPnet's `hubert` task: recordings to features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.extractor import Extractor
from espnet_onnx.roles import Session

from .frontend_runtime import build as build_features

__all__ = ["build"]


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any:
    """A `StateFeatures`, the model of a bundle's node; at the root, an `Extractor` over it."""
    features: Any = build_features(node, children, open_session)
    return features if node.path else Extractor(features)
