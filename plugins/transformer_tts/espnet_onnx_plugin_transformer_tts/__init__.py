"""transformer_tts: the Transformer-TTS acoustic model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

ESPNET_ONNX_API = 1

# (role, type) -> the module whose `claim` answers for it.
_CLAIMS: dict[tuple[str, str], str] = {("acoustic", "transformer"): ".acoustic_claim"}
# Kind -> the modules with its `graphs(component, part)` and `build(node, children, open_session)`.
# Kinds are written into bundles, so never renamed.
_HOMES: dict[str, tuple[str, str]] = {
    "transformer_tts.acoustic": (".acoustic_export", ".acoustic_runtime"),
}
KINDS = tuple(_HOMES)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim the acoustic model `transformer`."""
    home = _CLAIMS.get((component.role, component.type))
    if home is None:
        return None
    answer: eo.Part | eo.Declined = import_module(home, __name__).claim(component)
    return answer


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """The graphs of each kind."""
    if part.kind not in _HOMES:
        return None
    graphs: Mapping[str, eo.Graph] = import_module(_HOMES[part.kind][0], __name__).graphs(
        component, part
    )
    return graphs


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """What runs the graphs."""
    if node.kind not in _HOMES:
        return None
    return import_module(_HOMES[node.kind][1], __name__).build(node, children, open_session)
