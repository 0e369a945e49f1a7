"""espnet-onnx zoo: inspect many configs and count what is claimed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import typer

from .output import Json, print_json, table

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("zoo")(zoo)


def zoo(
    configs: list[Path] = typer.Argument(..., help="config.yaml files, or folders of them."),
    show: bool = typer.Option(False, "--list", help="List every model, with what it lacks."),
    as_json: bool = Json,
) -> None:
    """Inspect many model configs and count how many are claimed, by task."""
    from .. import sources
    from ..manager import Manager
    from .inspect import report

    manager = Manager.load()
    results = []
    for path in _files(configs):
        source = sources.find(path)
        results.append(report(source.config, manager, None, source))
    counts = _count(results)
    if as_json:
        print_json({"claimed": counts["claimed"], "of": len(results), "models": results})
        return
    if show:
        table(["", "model", "task", "lacks"], map(_row, results))
    tasks = sorted({r["task"] for r in results})
    table(["task", "claimed", "of"], [(t, counts[t, True], counts[t]) for t in tasks])
    typer.echo(f"{counts['claimed']} of {len(results)} claimed")


def _files(paths: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        files += sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    return files


def _count(results: list[dict[str, Any]]) -> Counter[Any]:
    counts: Counter[Any] = Counter()
    for result in results:
        counts[result["task"]] += 1
        if result["claimed"]:
            counts[result["task"], True] += 1
            counts["claimed"] += 1
    return counts


def _row(result: dict[str, Any]) -> tuple[str, str, str, str]:
    lacks = [f"{c['role']} {c['type']}" for c in result["components"] if c["problem"]]
    return ("ok" if not lacks else "--", result["model"], result["task"], ", ".join(lacks))
