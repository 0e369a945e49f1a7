"""Reading an ESPnet YAML file and finding the files that it names. No torch, no espnet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .errors import ModelError, one_line

__all__ = ["read_yaml", "resolve_files"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 32


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping with the safe loader, which builds no Python objects.

    Raises:
        ModelError: the file is missing, unreadable, not YAML or not a mapping.
    """
    try:
        data = yaml.load(path.read_bytes(), Loader=_LOADER)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; give an ESPnet config.yaml") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({one_line(error)})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: is not valid YAML ({_where(error)}); copy it again") from error
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        kind = "empty" if data is None else f"a {type(data).__name__}"
        raise ModelError(f"{path}: is {kind}, not a mapping of names; give an ESPnet config.yaml")
    return data


def resolve_files(config: Mapping[str, Any], roots: Sequence[Path]) -> dict[str, Any]:
    """The config with every name of a file below `roots` made absolute; the rest as it was.

    Does for any folder what `espnet2.main_funcs.pack_funcs.unpack` and espnet_model_zoo do for a
    packed one, without touching vocabularies: a token list may hold `.` or `exp`. The first root
    that has the file wins. An absolute name that no longer exists is looked up by its tail, since
    unpacking writes absolute names and folders move.

    Raises:
        ModelError: the config nests deeper than any real one (it may contain itself).
    """
    roots = [root.resolve() for root in roots]
    return {key: _resolved(key, value, roots, 0) for key, value in config.items()}


def _resolved(key: str, value: Any, roots: Sequence[Path], depth: int) -> Any:
    if depth > _DEEPEST:
        raise ModelError(f"config key {key} nests deeper than {_DEEPEST} levels; is it damaged?")
    if isinstance(value, dict):
        return {k: _resolved(str(k), v, roots, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        if key.endswith("token_list"):
            return value
        return [_resolved(key, item, roots, depth + 1) for item in value]
    return _located(value, roots) if isinstance(value, str) else value


def _located(value: str, roots: Sequence[Path]) -> str:
    """`value`, or the absolute name of the existing file that it means."""
    path = Path(value)
    separated = "/" in value
    # A word without a separator is a file name only if it looks like one: `exp` is an option.
    if not path.parts or ".." in path.parts or not (separated or path.suffix):
        return value
    if path.is_absolute():
        # A tail of one part would turn any word into a file.
        parts = path.parts[1:]
        tails = [] if _exists(path) else [Path(*parts[n:]) for n in range(len(parts) - 1)]
    else:
        tails = [path]
    found = (root / tail for root in roots for tail in tails)
    return next((str(p) for p in found if _exists(p) and (separated or p.is_file())), value)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a text too long for a name, or with NUL in it
        return False


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return one_line(error)
    return f"line {mark.line + 1}: {getattr(error, 'problem', None) or 'syntax error'}"
