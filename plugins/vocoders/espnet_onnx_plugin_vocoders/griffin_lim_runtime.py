"""Runs vocoder `griffin_lim`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.griffin_lim import GriffinLim
from espnet_onnx.roles import Session

__all__ = ["build"]


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> GriffinLim:
    """The vocoder of a bundle's node, which has no graph."""
    return GriffinLim.of(node.config["conf"])
