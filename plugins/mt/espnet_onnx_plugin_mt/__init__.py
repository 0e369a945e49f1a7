"""mt: ESPnet's mt task, text or discrete units of speech to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from . import frontend_claim, root_claim

ESPNET_ONNX_API = 1
KINDS = (root_claim.KIND, *frontend_claim.KINDS)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim mt and discrete_asr models, and frontends that embed tokens."""
    return root_claim.claim_root(component) or frontend_claim.claim_frontend(component)


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """The graph of a frontend; the root has none of its own."""
    if part.kind in frontend_claim.KINDS:
        from .frontend_export import frontend_graphs

        return frontend_graphs(component, part)
    return {} if part.kind == root_claim.KIND else None


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """The translator, or what embeds its texts."""
    if node.kind == root_claim.KIND:
        from .root_runtime import Translator

        return Translator.from_node(node, children)
    if node.kind in frontend_claim.KINDS:
        from .frontend_runtime import TokenFrontend

        return TokenFrontend(open_session("frontend"), node.config["patch"])
    return None
