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
    configs: list[Path] = typer.Argument(
        ..., metavar="CONFIG", help="config.yaml files, or folders of them."
    ),
    show: bool = typer.Option(False, "--list", help="List every model, with what it lacks."),
    as_json: bool = Json,
) -> None:
    """Inspect many model configs and count how many are claimed.

    A file of a folder that is no model's config is named on stderr and not counted.
    """
    from ..manager import Manager

    manager = Manager.load()
    results, unread = _inspect(_files(configs), configs, manager)
    counts = _count(results)
    for problem in unread.values():
        typer.echo(f"not counted: {problem}", err=True)
    if as_json:
        claimed = {"claimed": counts["claimed"], "of": len(results)}
        print_json({**claimed, "models": results, "not_counted": unread})
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


def _inspect(
    files: list[Path], named: list[Path], manager: Any
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Reports of those that are configs, and why others are not; one the user named must be."""
    from .. import sources
    from ..errors import InputError
    from .inspect import report

    results, unread = [], {}
    for path in files:
        try:
            source = sources.find(path)
            results.append(report(source.config, manager, None, source))
        except InputError as error:
            if path in named:
                raise
            unread[str(path)] = str(error)
    return results, unread


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
