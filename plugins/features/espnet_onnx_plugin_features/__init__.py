"""features: ESPnet's `default` frontend, its normalisations, and the linear preencoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from .claims import claim

ESPNET_ONNX_API = 1

# Kind -> the module that exports it. Kinds are written into bundles, so never renamed.
_EXPORTS = {
    "features.default": ".default_export",
    "features.global_mvn": ".global_mvn_export",
    "features.utterance_mvn": ".utterance_mvn_export",
    "features.linear": ".linear_export",
}
KINDS = tuple(_EXPORTS)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim frontend default, normalize global_mvn and utterance_mvn, preencoder linear."""
    return claim(component)


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """One graph a kind, named for the component's role."""
    if part.kind not in _EXPORTS:
        return None
    module = import_module(_EXPORTS[part.kind], __name__)
    return {component.role: module.graph(component)}


@eo.hookimpl
def build_runtime(node: eo.Node, open_session: Callable[[str], Session]) -> Any | None:
    """The frontend, or a transform of features."""
    if node.kind not in _EXPORTS:
        return None
    session = open_session(*node.graphs)
    if node.kind == "features.default":
        from .default_runtime import Frontend

        return Frontend(session, **node.config)
    from .transform_runtime import Transform

    return Transform(session)
