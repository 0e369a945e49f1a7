"""espnet-onnx inspect: who claims what of a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .output import Json, Prefer, Without, print_json, steps

if TYPE_CHECKING:
    from ..resolver import Claim

__all__ = ["register", "report"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inspect")(inspect)


def inspect(
    model: str = typer.Argument(
        ..., metavar="MODEL", help="Zoo tag, packed zip, model folder or config.yaml."
    ),
    task: str | None = typer.Option(None, help="ESPnet task that loads the model."),
    prefer: list[str] = Prefer,
    without: list[str] = Without,
    cache: Path | None = typer.Option(None, help="Folder of downloaded models."),
    as_json: bool = Json,
) -> None:
    """Show which plugin claims each part of a model, if any."""
    from .. import sources
    from ..manager import Manager

    _known(task)
    with steps() as progress:
        progress("find the model")
        source = sources.find(model, cache=cache)
    result = report(source.config, Manager.load(prefer=prefer, without=without), task, source)
    if as_json:
        print_json(result)
    else:
        _show(result)
    raise typer.Exit(0 if result["claimed"] else 1)


def _known(task: str | None) -> None:
    from ..catalog import Catalog
    from ..errors import InputError

    tasks = {name for version in Catalog.versions() for name in Catalog.load(version).tasks()}
    if task is not None and task not in tasks:
        raise InputError(
            f"task {task!r} is unknown; --task takes one of {', '.join(sorted(tasks))}"
        )


def report(
    config: Mapping[str, Any], manager: Any, task: str | None, source: Any
) -> dict[str, Any]:
    """What `inspect --json` prints: the task and the rule that found it, and every component."""
    from .. import components
    from ..errors import ModelError
    from ..resolver import resolve

    try:
        root, rule = components.root(config, base=source.folder, task=task)
    except ModelError as error:
        raise ModelError(f"{source.config_path}: {error}") from None
    claim = resolve(root, manager)
    return {
        "model": source.name,
        "task": root.type,
        "rule": rule,
        "claimed": not claim.problems,
        "components": [_row(c) for c in claim.walk()],
        "skipped_plugins": {s.name: s.reason for s in manager.skipped},
    }


def _row(claim: Claim) -> dict[str, Any]:
    return {
        "path": claim.path,
        "role": claim.component.role,
        "type": claim.component.type,
        "plugin": claim.plugin,
        "kind": claim.part.kind if claim.part else None,
        "problem": claim.problem,
    }


def _show(result: dict[str, Any]) -> None:
    typer.echo(f"{result['model']}: task {result['task']} ({result['rule']})")
    for row in result["components"]:
        depth = 0 if not row["path"] else 1 + row["path"].count(".")
        name = row["path"].split(".")[-1] or "model"
        text = f"{row['plugin']}: {row['kind']}" if row["plugin"] else row["problem"]
        mark = " " if row["plugin"] else "!"
        typer.echo(f"{mark} {'  ' * depth}{name} [{row['type']}]  {text}")
    missing = sum(1 for row in result["components"] if row["problem"])
    typer.echo("all claimed" if not missing else f"{missing} not claimed")
