"""The commands and their options, from the command line itself."""

from __future__ import annotations

from enum import Enum
from typing import Any

import typer

from espnet_onnx import cli

__all__ = ["commands"]


def commands() -> str:
    """A section a command, those of plugins too: what it does, its arguments and options."""
    cli._plugin_commands()
    group: Any = typer.main.get_command(cli.app)
    return "\n\n".join(_command(name, command) for name, command in group.commands.items())


def _command(name: str, command: Any) -> str:
    parameters = [p for p in command.params if not getattr(p, "hidden", False)]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join(["espnet-onnx", name, *map(_placeholder, arguments)])
    lines = [f"### `{usage}`", "", str(command.help).strip(), ""]
    rows = [f"| `{_placeholder(p)}` | {p.help or ''} |" for p in arguments]
    rows += [f"| `{_option(p)}` | {_text(p)} |" for p in options]
    return "\n".join([*lines, "| | |", "|---|---|", *rows])


def _placeholder(argument: Any) -> str:
    name = str(argument.name).upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return names
    value = option.opts[-1].strip("-").upper().replace("-", "_")
    if isinstance(option.default, Enum):
        value = ",".join(str(choice.value) for choice in type(option.default))
    return f"{names} {option.metavar or value}"


def _text(option: Any) -> str:
    default = getattr(option.default, "value", option.default)
    shown = default not in (None, False, [], ()) and not callable(default)
    text = str(option.help or "")
    return f"{text} Default: `{default}`.".strip() if shown else text
