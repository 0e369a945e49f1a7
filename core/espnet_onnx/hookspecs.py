"""The four questions that espnet-onnx asks its plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pluggy

from .roles import Session
from .types import Component, Declined, Graph, Node, Part

__all__ = ["API_VERSION", "PROJECT", "hookimpl", "hookspec"]

API_VERSION = 1
PROJECT = "espnet_onnx"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def split_modules(component: Component) -> Part | Declined | None:
    """Claim a component and name its children."""


@hookspec
def export_module(component: Component, part: Part) -> Mapping[str, Graph] | None:
    """Return the graphs, by name, of a part that this plugin claimed, children excluded."""


@hookspec
def fusion_patterns(kind: str) -> Sequence[Any] | None:
    """Return onnxscript rewrite rules for graphs of this kind, in the order to apply them."""


@hookspec
def build_runtime(
    node: Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """Build the callable that runs a node of a bundle, from its already built children."""
