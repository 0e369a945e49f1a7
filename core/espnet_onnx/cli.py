"""The command line: thin, since every command is a function of the library with a table around it.

Exit codes: 0 done, 1 a check failed, 2 bad input or usage, said in one line.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import importlib_metadata
import typer

from . import __version__
from .commands import (
    bench,
    demo,
    dump,
    export,
    inspect,
    plugins,
    stream,
    synthesize,
    transcribe,
    verify,
    zoo,
)
from .errors import EspnetOnnxError

__all__ = ["app", "main"]

COMMANDS = "espnet_onnx.commands"
log = logging.getLogger("espnet_onnx")

app = typer.Typer(
    name="espnet-onnx",
    help="Put ESPnet speech models into production as ONNX bundles that run without PyTorch.",
    epilog="Exit codes: 0 done, 1 a check failed, 2 bad input or usage.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _command in (
    inspect,
    export,
    verify,
    transcribe,
    stream,
    synthesize,
    dump,
    bench,
    plugins,
    zoo,
    demo,
):
    _command.register(app)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"espnet-onnx {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


def _plugin_commands() -> None:
    """Let installed packages add commands: each entry point is a function of the typer app."""
    for entry_point in importlib_metadata.entry_points(group=COMMANDS):
        try:
            entry_point.load()(app)
        except Exception as error:
            if os.environ.get("ESPNET_ONNX_RAISE") == "1":
                raise
            log.warning("command %s skipped: %s", entry_point.name, error)


@contextmanager
def _warnings_to_stderr() -> Iterator[None]:
    """Our own warnings, one line each; others' libraries get no handler to write to."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    silent = logging.NullHandler()
    propagate = log.propagate
    log.addHandler(handler)
    log.propagate = False
    logging.getLogger().addHandler(silent)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagate
        logging.getLogger().removeHandler(silent)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit.

    Typer itself answers wrong usage (2), Ctrl-C (130) and a reader that has gone (1).
    `ESPNET_ONNX_RAISE=1` shows where an error comes from.
    """
    with _warnings_to_stderr():
        _plugin_commands()
        try:
            app(args=arguments)
        except (EspnetOnnxError, OSError) as error:
            if os.environ.get("ESPNET_ONNX_RAISE") == "1":
                raise
            typer.echo("error: " + " ".join(str(error).splitlines()), err=True)
            sys.exit(getattr(error, "exit_code", 2))
