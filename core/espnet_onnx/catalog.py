"""What every ESPnet task offers: choices, defaults and constructor defaults, without ESPnet.

The data files `data/espnet_<version>.json` are made by `tools/generate_catalog.py`:

    common     argument -> default, shared by all tasks
    classes    path -> {conf: parameter -> default, required, opaque, open}; `opaque` names the
               defaults that JSON cannot hold (null stands in), `open` means **kwargs
    tasks      name -> {class, models, defaults, nullable, choices, confs, passed, unless}
    failed     task module -> why it could not be imported
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import attrs

from .errors import ModelError

__all__ = ["Catalog", "Choice"]

Config = Mapping[str, Any]
NONE = ("none", "null", "nil")  # espnet2.utils.types.str_or_none


@attrs.frozen
class Choice:
    """One ClassChoices of a task.

    Attributes:
        name: `encoder`, `enh_separator`, ...
        default: the type ESPnet takes when a config names none; None for no such component.
        optional: whether None is a choice.
        types: the names that ESPnet knows; a plugin may bring others.
    """

    name: str
    default: str | None
    optional: bool
    types: tuple[str, ...]


@attrs.frozen
class Catalog:
    """The tasks of one ESPnet version."""

    version: str
    _data: Mapping[str, Any] = attrs.field(repr=False)

    @classmethod
    def load(cls, version: object = None) -> Catalog:
        """The catalog of the nearest known version; the newest for None.

        Args:
            version: as a config.yaml states it (`'202511'`, `202402`, `0.10.3a2`, ...).
        """
        known = cls.versions()
        return _read(known[-1] if version is None else _nearest(str(version), known))

    @staticmethod
    def versions() -> tuple[str, ...]:
        """Known ESPnet versions, oldest first."""
        return _versions()

    def tasks(self) -> tuple[str, ...]:
        """Names of all tasks (`asr`, `gan_tts`, ...)."""
        return tuple(self._data["tasks"])

    def task_class(self, task: str) -> str:
        """Dotted path of the ESPnet task class."""
        return str(self._task(task)["class"])

    def models(self, task: str) -> tuple[str, ...]:
        """Names of the model classes that a task builds."""
        return tuple(self._task(task)["models"])

    def choices(self, task: str) -> dict[str, Choice]:
        """Choice name -> what may be chosen; empty for a task that no catalog knows."""
        return {
            name: Choice(name, c["default"], c["optional"], tuple(c["types"]))
            for name, c in self._task(task)["choices"].items()
        }

    def conf_key(self, task: str, choice: str) -> str:
        """Where a component's arguments stand in a config: `encoder_conf`, mostly."""
        found = self._task(task)["choices"].get(choice)
        return str(found["conf"]) if found else f"{choice}_conf"

    def fill(self, task: str, config: Config) -> dict[str, Any]:
        """The full config that ESPnet would train or load with.

        Task defaults updated with `config`; every `*_conf` completed with the defaults of the
        class that it is for. Mirrors `AbsTask.get_parser` and the calls in `build_model`.
        Filling twice changes nothing. A task that no catalog knows is left as it is.

        Raises:
            ModelError: a choice that is no name, or a `*_conf` that is no mapping.
        """
        record = self._task(task)
        defaults = {**self._data["common"], **record["defaults"]} if record["class"] else {}
        filled = copy.deepcopy({**defaults, **config})
        for name in record["nullable"]:
            filled[name] = _none(filled.get(name))
        for name, given in record["unless"].items():
            if filled[given] is not None:
                filled |= {name: None, f"{name}_conf": {}}
        for name, choice in record["choices"].items():
            filled[name] = _type(name, filled[name])
            conf = choice["conf"]
            filled[conf] = self.conf(task, name, filled[name], filled.get(conf))
        for name in record["confs"]:
            if filled.get(name) is not None:
                filled[name] = self.conf(task, name.removesuffix("_conf"), None, filled[name])
        return filled

    def conf(
        self, task: str, choice: str, type: str | None, given: Config | None = None
    ) -> dict[str, Any]:
        """A component's `*_conf` completed with the defaults of its constructor.

        Args:
            task: name of the ESPnet task.
            choice: a choice (`encoder`), or the stem of a conf without one (`ctc`, `joint_net`).
            type: the chosen name; ignored where there is no choice.
            given: what the config says.

        Returns:
            `given` over the defaults, without what ESPnet's `build_model` passes itself; only
            `given` where the type is None or unknown (a plugin may bring it).

        Raises:
            ModelError: `given` is no mapping.
        """
        if given is not None and not isinstance(given, Mapping):
            key = self.conf_key(task, choice)
            raise ModelError(f"config key {key} is {given!r}; give a mapping of arguments")
        record = self._task(task)
        offered = record["choices"].get(choice)
        path = offered["types"].get(type) if offered else record["confs"].get(f"{choice}_conf")
        if path is None:
            return dict(given or {})
        known = self._data["classes"][path]
        hidden = {*known.get("opaque", ()), *record["passed"].get(self.conf_key(task, choice), ())}
        defaults = {k: v for k, v in known["conf"].items() if k not in hidden}
        return {**copy.deepcopy(defaults), **(given or {})}

    def _task(self, task: str) -> Mapping[str, Any]:
        record: Mapping[str, Any] = self._data["tasks"].get(task, _UNKNOWN)
        return record


_UNKNOWN: Mapping[str, Any] = {
    "class": "",
    "models": (),
    "defaults": {},
    "nullable": (),
    "choices": {},
    "confs": {},
    "passed": {},
    "unless": {},
}


def _none(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in NONE else value


def _type(name: str, value: Any) -> str | None:
    """A chosen name as `ClassChoices.add_arguments` parses it: lower case, "none" is None."""
    if value is not None and not isinstance(value, str):
        raise ModelError(f"config key {name} is {value!r}; give the name of a {name}, or null")
    value = _none(value)
    return value if value is None else str(value).lower()


def _nearest(version: str, known: tuple[str, ...]) -> str:
    """ESPnet 202x versions are year and month; the 0.x versions before them are the oldest."""
    found = re.match(r"20\d{4}", version)
    months = _months(found[0]) if found else 0
    return min(known, key=lambda v: (abs(_months(v) - months), v))


def _months(version: str) -> int:
    return int(version[:4]) * 12 + int(version[4:6])


@cache
def _versions() -> tuple[str, ...]:
    names = (f.name for f in _folder().iterdir())
    found = (re.fullmatch(r"espnet_(\d{6})\.json", n) for n in names)
    return tuple(sorted(m[1] for m in found if m))


@cache
def _read(version: str) -> Catalog:
    text = (_folder() / f"espnet_{version}.json").read_text(encoding="utf-8")
    return Catalog(version, json.loads(text))


def _folder() -> Any:
    return resources.files(__package__) / "data"
