"""espnet-onnx inspect: who claims what of a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .output import Json, Lm, Ngram, Prefer, Without, print_json, steps

if TYPE_CHECKING:
    from ..companions import Companions
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
    lm: str | None = Lm,
    ngram: str | None = Ngram,
    cache: Path | None = typer.Option(None, help="Folder of downloaded models."),
    as_json: bool = Json,
) -> None:
    """Show which plugin claims each part of a model, if any.

    The language model and the n-gram that a pack brings are among them.
    """
    from .. import sources
    from ..companions import Companions
    from ..manager import Manager

    _known(task)
    with steps() as progress:
        progress("find the model")
        source = sources.find(model, cache=cache)
        companions = Companions.of(lm, ngram, source.extra)
    manager = Manager.load(prefer=prefer, without=without)
    result = report(source.config, manager, task, source, companions)
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
    config: Mapping[str, Any],
    manager: Any,
    task: str | None,
    source: Any,
    companions: Companions | None = None,
) -> dict[str, Any]:
    """What `inspect --json` prints: the task and the rule that found it, every component, the
    models beside it that help its search, and what a bundle leaves out of the pack."""
    from .. import components
    from ..errors import ModelError
    from ..resolver import resolve

    beside = {} if companions is None else companions.components(config)
    try:
        root, rule = components.root(config, base=source.folder, task=task, companions=beside)
    except ModelError as error:
        raise ModelError(f"{source.config_path}: {error}") from None
    claim = resolve(root, manager)
    return {
        "model": source.name,
        "task": root.type,
        "rule": rule,
        "claimed": not claim.problems,
        "components": [_row(c) for c in claim.walk()],
        "companions": {} if companions is None else _companions(companions, claim),
        "left_out": [] if companions is None else list(companions.left),
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


def _companions(companions: Companions, claim: Claim) -> dict[str, Any]:
    """Each by its name: its file, and who claims it; a model may have no use for one."""
    found = {}
    for name, file in companions.files.items():
        taken = claim.children.get(name)
        unused = f"{claim.plugin or 'nobody'} has no use for it here"
        row = {"plugin": None, "kind": None, "problem": unused} if taken is None else _row(taken)
        about = {key: row[key] for key in ("plugin", "kind", "problem")}
        found[name] = {"file": str(file), **about}
    return found


def _show(result: dict[str, Any]) -> None:
    typer.echo(f"{result['model']}: task {result['task']} ({result['rule']})")
    for row in result["components"]:
        depth = 0 if not row["path"] else 1 + row["path"].count(".")
        name = row["path"].split(".")[-1] or "model"
        mark = " " if row["plugin"] else "!"
        typer.echo(f"{mark} {'  ' * depth}{name} [{row['type']}]  {_claimant(row)}")
    for name, row in result["companions"].items():
        mark = " " if row["plugin"] else "!"
        typer.echo(f"{mark} with {name} {row['file']}  {_claimant(row)}")
    if result["left_out"]:
        typer.echo(f"  a bundle leaves out {', '.join(result['left_out'])}")
    missing = sum(1 for row in result["components"] if row["problem"])
    typer.echo("all claimed" if not missing else f"{missing} not claimed")


def _claimant(row: Mapping[str, Any]) -> str:
    return f"{row['plugin']}: {row['kind']}" if row["plugin"] else str(row["problem"])
