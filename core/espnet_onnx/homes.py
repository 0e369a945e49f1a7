"""The hooks of a plugin that keeps each kind in modules of its own.

_CLAIMS = {("encoder", "tdnn"): ".tdnn_claim"}
_HOMES = {"tdnn.encoder": (".tdnn_export", ".tdnn_runtime")}
KINDS = tuple(_HOMES)
split_modules, export_module, build_runtime = eo.hooks(__name__, _CLAIMS, _HOMES)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from .hookspecs import hookimpl
from .roles import Session
from .types import Component, Declined, Graph, Node, Part

__all__ = ["hooks"]

Hook = Callable[..., Any]


def hooks(
    package: str,
    claims: Mapping[tuple[str, str], str],
    homes: Mapping[str, tuple[str, str]],
) -> tuple[Hook, Hook, Hook]:
    """`split_modules`, `export_module` and `build_runtime`, which import a module when asked.

    So a plugin stays light, and what runs a bundle never imports what exports one.

    Args:
        package: the plugin's `__name__`; module names are relative to it.
        claims: (role, type) -> the module whose `claim(component)` answers for it.
        homes: kind -> the modules with its `graphs(component, part)` and its
            `build(node, children, open_session)`. Kinds are written into bundles, so never renamed.
    """

    @hookimpl
    def split_modules(component: Component) -> Part | Declined | None:
        home = claims.get((component.role, component.type))
        return None if home is None else import_module(home, package).claim(component)

    @hookimpl
    def export_module(component: Component, part: Part) -> Mapping[str, Graph] | None:
        if part.kind not in homes:
            return None
        exporter = import_module(homes[part.kind][0], package)
        graphs: Mapping[str, Graph] = exporter.graphs(component, part)
        return graphs

    @hookimpl
    def build_runtime(
        node: Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
    ) -> Any | None:
        if node.kind not in homes:
            return None
        return import_module(homes[node.kind][1], package).build(node, children, open_session)

    return split_modules, export_module, build_runtime
