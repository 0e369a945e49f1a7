"""Tables of what the plugins claim, from asking them about all that ESPnet offers."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path

import attrs

from espnet_onnx import Component, Declined, components
from espnet_onnx.catalog import Catalog
from espnet_onnx.manager import Manager, Plugin
from espnet_onnx.resolver import resolve
from espnet_onnx.testing import TinyModel, tiny_models
from espnet_onnx.vocoder_files import VocoderFiles

__all__ = ["counts", "details", "manager"]

# Choices of ESPnet's that are no part of a model that runs.
_NO_PART = ("label_aggregator", "loss", "model", "model_type", "preprocessor", "specaug")


@attrs.frozen
class _Row:
    """A type in a role, the plugin that claims its default configuration, or why it declines."""

    role: str
    type: str
    plugin: str | None = None
    declines: str | None = None


@cache
def manager() -> Manager:
    """The plugins of this checkout, whatever else is installed."""
    pyproject = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))
    points = pyproject["project"]["entry-points"]["espnet_onnx"]
    return Manager([Plugin(name, import_module(package)) for name, package in points.items()])


def counts() -> str:
    """One line a role that has a claim: the types, by plugin, and how many ESPnet knows."""
    lines = ["| role | claimed | of ESPnet's |", "|---|---|---|"]
    for role, rows in _by_role().items():
        claimed = [row for row in rows if row.plugin]
        if claimed:
            lines.append(f"| {role} | {_claims(claimed)} | {len(claimed)} of {len(rows)} |")
    return "\n".join(lines)


def details() -> str:
    """One line a role: claimed, declined with the reason, and nobody's yet."""
    lines = ["| role | claimed | declined | nobody's yet |", "|---|---|---|---|"]
    for role, rows in _by_role().items():
        claimed = _claims(row for row in rows if row.plugin)
        declined = "; ".join(f"`{row.type}`: {row.declines}" for row in rows if row.declines)
        nobody = ", ".join(f"`{r.type}`" for r in rows if not (r.plugin or r.declines))
        lines.append(f"| {role} | {claimed} | {declined} | {nobody} |")
    return "\n".join(lines)


def _claims(rows: Iterable[_Row]) -> str:
    types: dict[str, list[str]] = {}
    for row in rows:
        types.setdefault(str(row.plugin), []).append(f"`{row.type}`")
    return "; ".join(f"{', '.join(names)} ({plugin})" for plugin, names in types.items())


def _by_role() -> dict[str, list[_Row]]:
    grouped: dict[str, list[_Row]] = {}
    for _, row in sorted(_rows().items()):
        grouped.setdefault(row.role, []).append(row)
    return grouped


@cache
def _rows() -> dict[tuple[str, str], _Row]:
    """(role, type) -> the best answer in any task of any ESPnet version."""
    rows: dict[tuple[str, str], _Row] = {}
    for component in _components():
        row = _ask(component)
        old = rows.setdefault((row.role, row.type), row)
        if (row.plugin is not None, row.declines is not None) > (
            old.plugin is not None,
            old.declines is not None,
        ):
            rows[row.role, row.type] = row
    return rows


def _components() -> Iterable[Component]:
    """Every type of every choice, and what default and tiny models are made of.

    Some types have options without a default (an upstream, children): a plugin's own tiny models
    state them.
    """
    catalogs = [Catalog.load(version) for version in Catalog.versions()]
    roles = {choice for c in catalogs for task in c.tasks() for choice in c.choices(task)}
    for catalog in catalogs:
        for task in catalog.tasks():
            config = {"version": catalog.version}
            root, _ = components.root(config, task=task)
            yield from (claim.component for claim in resolve(root, manager()).walk())
            for name, choice in catalog.choices(task).items():
                role = _role(name, roles)
                for type_ in () if role in _NO_PART else choice.types:
                    child = components.child(root, name, role=role, type=type_, conf={})
                    if child is not None:
                        yield child
    for name in manager().plugins:
        for tiny in tiny_models(name, manager()):
            root, _ = components.root(tiny.config, task=tiny.task, companions=_vocoder(tiny))
            yield from (claim.component for claim in resolve(root, manager()).walk())


def _vocoder(tiny: TinyModel) -> dict[str, Component]:
    if tiny.vocoder is None:
        return {}
    return {"vocoder": VocoderFiles(Path(), tiny.vocoder).component()}


def _role(choice: str, roles: set[str]) -> str:
    """A parent's word for a child ends with what it does: `asr_encoder` is an encoder."""
    words = choice.split("_")
    tails = ("_".join(words[i:]) for i in range(len(words) - 1, 0, -1))
    return next((tail for tail in tails if tail in roles), choice)


def _ask(component: Component) -> _Row:
    claim = resolve(component, manager())
    row = _Row(component.role, component.type, claim.plugin)
    answers = [a.value for a in manager().answers("split_modules", component=component)]
    reasons = [value.reason for value in answers if isinstance(value, Declined)]
    return row if claim.plugin or not reasons else attrs.evolve(row, declines=reasons[0])
