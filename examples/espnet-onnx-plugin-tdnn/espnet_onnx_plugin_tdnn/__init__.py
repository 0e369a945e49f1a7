"""tdnn: the time-delay encoder of this package, in any model whose config says `encoder: tdnn`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

ESPNET_ONNX_API = 1
KIND = "tdnn.encoder"  # plugin.part; written into bundles, so never renamed
KINDS = (KIND,)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | None:
    """Claim encoders of type tdnn."""
    if (component.role, component.type) == ("encoder", "tdnn"):
        return eo.Part(KIND)
    return None


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """One graph."""
    if part.kind != KIND:
        return None
    from .export import encoder_graph  # torch only here

    return {"encoder": encoder_graph(component.module)}


@eo.hookimpl
def build_runtime(node: eo.Node, open_session: Callable[[str], Session]) -> Any | None:
    """The encoder that its parent calls."""
    if node.kind != KIND:
        return None
    from .runtime import TDNNRuntime

    return TDNNRuntime(open_session("encoder"))
