"""Plugins made on the spot: in memory, or as distributions that entry points find."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import espnet_onnx as eo
from espnet_onnx.manager import Plugin

__all__ = ["HOOKS", "fake", "install_plugin"]

HOOKS = """
import espnet_onnx as eo
ESPNET_ONNX_API = 1

@eo.hookimpl
def split_modules(component):
    if component.type == "{name}":
        return eo.Part("{name}.kind")
"""


def fake(name: str, *, api: object = 1, **hooks: Callable[..., Any]) -> Plugin:
    """A plugin of the given hook functions."""
    module = ModuleType(f"fake_{name}", f"{name}: a fake.")
    module.__dict__["ESPNET_ONNX_API"] = api
    for hook, function in hooks.items():
        setattr(module, hook, eo.hookimpl(function))
    return Plugin(name, module, f"espnet-onnx-plugin-{name}", "0.1")


def install_plugin(site: Path, name: str, code: str | None = None, **options: str) -> None:
    """A distribution in a folder of sys.path.

    Args:
        site: the folder.
        name: of the entry point.
        code: the module's source; None is a sound plugin that claims the type `name`.
        options: `distribution`, `group`, `target` (the entry point's value).
    """
    distribution = options.get("distribution", f"espnet-onnx-plugin-{name}")
    module = distribution.replace("-", "_")
    source = HOOKS.format(name=name) if code is None else textwrap.dedent(code)
    (site / f"{module}.py").write_text(source)
    info = site / f"{module}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n")
    group, target = options.get("group", "espnet_onnx"), options.get("target", module)
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")
