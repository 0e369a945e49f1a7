"""espnet-onnx plugins: what is installed, and what was skipped and why."""

from __future__ import annotations

from typing import Any

import typer

from .output import Json, print_json, table

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plugins")(plugins)


def plugins(as_json: bool = Json) -> None:
    """List the installed plugins."""
    from ..manager import Manager

    manager = Manager.load()
    columns = ("name", "distribution", "version", "about")
    rows = [(p.name, p.distribution, p.version, _about(p.module)) for p in manager.plugins.values()]
    if as_json:
        print_json(
            {
                "plugins": [dict(zip(columns, row, strict=True)) for row in rows],
                "skipped": {s.name: s.reason for s in manager.skipped},
            }
        )
        return
    table(["plugin", "distribution", "version", "about"], rows)


def _about(module: Any) -> str:
    """First line of a module's docstring."""
    return next(iter((module.__doc__ or "").strip().splitlines()), "")
