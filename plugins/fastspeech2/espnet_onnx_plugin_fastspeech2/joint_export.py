"""joint_text2wav has no graph of its own: its children have."""

from __future__ import annotations

from collections.abc import Mapping

import espnet_onnx as eo

__all__ = ["graphs"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """None."""
    return {}
