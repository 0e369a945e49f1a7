"""espnet-onnx plugins: what is installed, and what was skipped and why."""

from __future__ import annotations

import typer

from .output import Json, print_json, table

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plugins")(plugins)


def plugins(as_json: bool = Json) -> None:
    """List the installed plugins, and those that could not be loaded."""
    from ..manager import Manager

    manager = Manager.load()
    rows = [
        (p.name, p.distribution, p.version, (p.module.__doc__ or "").strip().splitlines()[0])
        for p in manager.plugins.values()
    ]
    if as_json:
        print_json(
            {
                "plugins": [dict(zip(("name", "distribution", "version", "about"), r)) for r in rows],
                "skipped": {s.name: s.reason for s in manager.skipped},
            }
        )
        return
    table(["plugin", "distribution", "version", "about"], rows)
