"""Make components: the root of a model from its config, and a parent's children.

def split_modules(component):
    if (component.role, component.type) == ("model", "asr"):
        return eo.Part(KIND, {"encoder": child(component, "encoder", given={"input_size": 80})})
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .catalog import Catalog
from .tasks import root_task
from .types import Component

__all__ = ["child", "root"]


def root(
    config: Mapping[str, Any],
    *,
    base: Path | None = None,
    module: Any = None,
    task: str | None = None,
    companions: Mapping[str, Component] | None = None,
) -> tuple[Component, str]:
    """The root component of an ESPnet model, and the rule that named its task.

    Args:
        config: config.yaml, full or partial.
        base: the folder in which its file names are resolved.
        module: the live model.
        task: the ESPnet task that loads it, where the config's keys should not decide.
        companions: models in files of their own (`lm`, `vocoder`, ...).

    Raises:
        ModelError: no task given, and nothing in the config tells.
    """
    task, rule = root_task(config, task=task, live=module)
    conf = _catalog(config, task).fill(task, config)
    return Component("", "model", task, conf, module, base=base, companions=companions or {}), rule


def child(
    parent: Component,
    choice: str,
    *,
    name: str | None = None,
    role: str | None = None,
    type: str | None = None,
    module: Any = None,
    conf: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Component | None:
    """The child that a parent's config names under `choice`; None where it names none.

    Args:
        parent: the component that is being split.
        choice: ESPnet's word in the config: `encoder`, `enh_separator`, or the stem of a
            `*_conf` without a choice (`ctc`).
        name: unique among its siblings; `choice` unless given.
        role: its function; `choice` unless given (`asr_encoder` has the role `encoder`).
        type: instead of what the config says. Where the config names no type, the parent's.
        module: the live module.
        conf: instead of the config's `<choice>_conf`. Either is completed with ESPnet's
            constructor defaults for the task that `parent` is; any other parent's stays as it is.
        given: what only the parent knows (`input_size`, `vocab_size`, ...).
    """
    catalog = _catalog(parent.conf, parent.type)
    key = catalog.conf_key(parent.type, choice)
    config = parent.conf
    if choice not in config and choice in catalog.choices(parent.type):
        config = catalog.fill(parent.type, config)
    stated = config[choice] if choice in config else parent.type if config.get(key) else None
    type = stated if type is None else type
    if type is None:
        return None
    filled = catalog.conf(parent.type, choice, type, config.get(key) if conf is None else conf)
    return Component(
        name=choice if name is None else name,
        role=choice if role is None else role,
        type=type,
        conf=filled,
        module=module,
        given=given or {},
        base=parent.base,
    )


def _catalog(config: Mapping[str, Any], task: str) -> Catalog:
    """The catalog of the config's version; the newest where only that knows the task."""
    catalog = Catalog.load(config.get("version"))
    return catalog if task in catalog.tasks() else Catalog.load()
