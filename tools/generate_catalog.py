"""Write what the installed ESPnet's tasks offer into core's data file for that version.

    python tools/generate_catalog.py [FILE]     # core/espnet_onnx/data/espnet_<version>.json

Reads `espnet2.tasks.*`: parsers, `class_choices_list`, `build_model`. What can be a default follows
`espnet2.utils.get_default_kwargs`. The format is described in `espnet_onnx.catalog`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import math
import pkgutil
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

__all__ = ["generate", "main", "render"]

DATA = Path(__file__).parents[1] / "core/espnet_onnx/data"
Node = typing.TypeVar("Node", bound=ast.AST)
NOT_SAVED = ("config", "help", "print_config", "required")  # AbsTask.exclude_opts, and argparse


def main() -> None:
    """Write the file of the installed version and say where."""
    data = generate()
    path = Path(sys.argv[1]) if sys.argv[1:] else DATA / f"espnet_{data['espnet']}.json"
    path.write_text(render(data), encoding="utf-8")
    sys.stderr.write(f"{path}: {len(data['tasks'])} tasks, {len(data['classes'])} classes\n")


def render(data: Mapping[str, Any]) -> str:
    """JSON with a line per task and per class, so that a change reads well in a diff."""
    lines = []
    for key, value in data.items():
        if key in ("classes", "tasks"):
            rows = ",\n".join(f"{json.dumps(k)}:{_dumps(v)}" for k, v in sorted(value.items()))
            lines.append(f"{json.dumps(key)}:{{\n{rows}\n}}")
        else:
            lines.append(f"{json.dumps(key)}:{_dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def generate() -> dict[str, Any]:
    """Read every task of the installed ESPnet."""
    from espnet2.tasks.abs_task import __version__ as version

    classes: dict[str, Any] = {}
    tasks: dict[str, Any] = {}
    failed: dict[str, str] = {}
    with mock.patch.object(sys, "argv", ["espnet"]):
        for name in _task_modules():
            try:
                found = _task_classes(name)
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
                continue
            for key, cls in found.items():
                tasks[key] = _task(cls, classes)
    common = _common([t["defaults"] for t in tasks.values()])
    for task in tasks.values():
        task["defaults"] = {k: v for k, v in task["defaults"].items() if k not in common}
    head = {"espnet": version, "failed": failed, "common": common}
    return {**head, "classes": classes, "tasks": tasks}


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _task_modules() -> list[str]:
    import espnet2.tasks

    names = (m.name for m in pkgutil.iter_modules(espnet2.tasks.__path__))
    return sorted(n for n in names if n != "abs_task")


def _task_classes(name: str) -> dict[str, Any]:
    """Name -> class of the tasks that one module defines; `beats` defines two."""
    module = _import(f"espnet2.tasks.{name}")
    base = importlib.import_module("espnet2.tasks.abs_task").AbsTask
    own = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, base) and c.__module__ == module.__name__
    ]
    first, *others = own
    return {name: first, **{_snake(c.__name__.removesuffix("Task")): c for c in others}}


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _import(name: str) -> types.ModuleType:
    """Import a task; a third-party module that is not installed becomes an empty stand-in.

    Only names and signatures are read, so what the stand-in would compute never matters, and the
    data do not depend on which optional packages the machine has.
    """
    for _ in range(20):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if missing.split(".")[0] in ("", "espnet", "espnet2"):
                raise
            sys.modules[missing] = mock.MagicMock(name=missing)
    raise ImportError(f"{name}: too many missing modules")


def _task(cls: Any, classes: dict[str, Any]) -> dict[str, Any]:
    """One task's record; the classes that it names are added to `classes`."""
    actions = {a.dest: a for a in cls.get_parser()._actions if a.dest not in NOT_SAVED}
    choices = {c.name: c for c in cls.class_choices_list}
    conf_of = {n: _conf_name(n, actions) for n in choices}
    passed, built = _calls(cls)
    offered = {conf_of[n]: list(c.classes.values()) for n, c in choices.items()}
    singles = {n: c for n, c in _singles(cls, built).items() if n in actions and n not in offered}
    built_from = {**offered, **{n: [c] for n, c in singles.items()}}
    classes.update({_path(c): _constructor(c) for offer in built_from.values() for c in offer})
    return {
        "class": _path(cls),
        "models": sorted({c.__name__ for c in _models(cls)}),
        "defaults": {n: _json(a.default) for n, a in actions.items()},
        "nullable": sorted(n for n, a in actions.items() if _nullable(a.type)),
        "choices": {
            n: {
                "conf": conf_of[n],
                "default": c.default,
                "optional": c.optional,
                "types": {k: _path(v) for k, v in c.classes.items()},
            }
            for n, c in choices.items()
        },
        "confs": {n: _path(c) for n, c in singles.items()},
        "unless": dict(_unless(cls)),
        "passed": {
            n: names
            for n, offer in built_from.items()
            if (names := _passed(passed.get(n, []), offer))
        },
    }


def _calls(cls: Any) -> tuple[dict[str, list[tuple[int, list[str]]]], dict[str, Any]]:
    """What the task's code does with its `*_conf` arguments.

    Returns:
        conf name -> for every call `F(a, b=..., **args.<conf>)` the number of positional
        arguments and the names of the others: what the parent passes, whatever the default.
        conf name -> F, where F is a class that the module names.
    """
    passed: dict[str, list[tuple[int, list[str]]]] = {}
    built: dict[str, Any] = {}
    module = sys.modules[cls.__module__]
    for call in _nodes(cls, ast.Call):
        for conf in (name for k in call.keywords if k.arg is None for name in _conf_of(k.value)):
            names = [k.arg for k in call.keywords if k.arg is not None]
            passed.setdefault(conf, []).append((len(call.args), names))
            target = getattr(module, ast.unparse(call.func), None)
            if inspect.isclass(target):
                built.setdefault(conf, target)
    return passed, built


def _conf_name(choice: str, actions: Mapping[str, Any]) -> str:
    """Where a choice's arguments stand: svs reads `model_conf` for its choice `model_type`."""
    if choice == "model_type" and "model_conf" in actions:
        return "model_conf"
    return f"{choice}_conf"


def _unless(cls: Any) -> Iterator[tuple[str, str]]:
    """(Y, X) where `build_model` takes no Y once X is given: no frontend given `input_size`.

    The pattern is `if args.X is None: ... else: args.Y = None`.
    """
    for node in _nodes(cls, ast.If):
        match node.test:
            case ast.Compare(ast.Attribute(ast.Name("args"), given), [ast.Is()], [_]):
                for child in node.orelse:
                    match child:
                        case ast.Assign([ast.Attribute(_, str(name))], ast.Constant(None)):
                            if not name.endswith("_conf"):
                                yield name, given


def _nodes(cls: Any, kind: type[Node]) -> Iterator[Node]:
    """Syntax nodes of one kind in the body of a task class."""
    tree = ast.parse(inspect.getsource(sys.modules[cls.__module__]))
    for owner in tree.body:
        if isinstance(owner, ast.ClassDef) and owner.name == cls.__name__:
            yield from (n for n in ast.walk(owner) if isinstance(n, kind))


def _conf_of(value: ast.expr) -> Iterator[str]:
    """The name X_conf in `args.X_conf` and in `getattr(args, "X_conf", {})`."""
    match value:
        case ast.Attribute(ast.Name("args"), str(name)):
            yield name
        case ast.Call(ast.Name("getattr"), [ast.Name("args"), ast.Constant(str(name)), *_]):
            yield name


def _passed(calls: list[tuple[int, list[str]]], offer: list[Any]) -> list[str]:
    """Constructor parameters that the parent sets itself, so that a conf cannot."""
    names = {name for _, named in calls for name in named}
    for cls in offer:
        parameters = list(inspect.signature(cls).parameters)
        names.update(parameters[: min((n for n, _ in calls), default=0)])
    return sorted(names)


def _singles(cls: Any, built: Mapping[str, Any]) -> dict[str, Any]:
    """conf name -> its one class, where no choice decides (`ctc_conf`, most `model_conf`).

    enh_s2t hands its arguments on to other tasks (`name2task`), with or without their prefix.
    """
    subtasks = getattr(sys.modules[cls.__module__], "name2task", {})
    found = dict(built)
    for prefix, task in subtasks.items():
        for name, target in _singles(task, _calls(task)[1]).items():
            found.setdefault(f"{prefix}_{name}", target)
            if name != "model_conf":
                found.setdefault(name, target)
    if models := _models(cls):
        found["model_conf"] = models[0]
    return found


def _models(cls: Any) -> list[Any]:
    """The model classes of a task, the default first."""
    for choices in cls.class_choices_list:
        if choices.name in ("model", "model_type"):
            return [choices.classes[choices.default], *choices.classes.values()]
    returned = inspect.signature(cls.build_model).return_annotation
    return [c for c in typing.get_args(returned) or [returned] if c is not inspect.Signature.empty]


def _constructor(cls: Any) -> dict[str, Any]:
    """Parameters of a constructor: JSON defaults, required names, defaults JSON cannot hold."""
    record: dict[str, Any] = {"conf": {}}
    for name, p in inspect.signature(cls).parameters.items():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            record["open"] = True
        elif p.default is p.empty:
            record.setdefault("required", []).append(name)
        else:
            try:
                record["conf"][name] = _json(p.default)
            except TypeError:
                record["conf"][name] = None
                record.setdefault("opaque", []).append(name)
    return record


def _json(value: Any) -> Any:
    """A JSON value; tuples and sets become lists as in ESPnet's `get_default_kwargs`."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_json(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(_json(v) for v in value)
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {k: _json(v) for k, v in value.items()}
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _nullable(convert: Callable[[str], Any] | None) -> bool:
    """Whether a command-line value "none" means None (`espnet2.utils.types.str_or_none`)."""
    try:
        return convert is not None and convert("none") is None
    except Exception:
        return False


def _common(tables: list[dict[str, Any]]) -> dict[str, Any]:
    """What all tasks share."""
    first, *others = tables
    return {k: v for k, v in first.items() if all(k in t and t[k] == v for t in others)}


def _path(cls: Any) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


if __name__ == "__main__":
    main()
