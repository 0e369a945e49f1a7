"""The root has no graphs of its own."""

from __future__ import annotations

from collections.abc import Mapping

import espnet_onnx as eo

__all__ = ["graphs"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """None: all that is computed belongs to its children."""
    return {}
