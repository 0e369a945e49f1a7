"""--set NAME=VALUE, for settings that no option of a command's own is for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import typer

from ..errors import InputError

__all__ = ["Set", "settings"]

Set = typer.Option(
    [], "--set", metavar="NAME=VALUE", help="Any other search setting: maxlenratio=-40."
)


def settings(texts: Iterable[str]) -> dict[str, Any]:
    """Name -> value, which is what JSON takes it for, or else text."""
    return dict(map(_setting, texts))


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: give NAME=VALUE, such as maxlenratio=-40")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value
