"""espnet-onnx translate: text to text from a bundle."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

import espnet_onnx as eo
from espnet_onnx.errors import InputError
from espnet_onnx.parts.result import Recognition

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("translate")(translate)


def translate(
    bundle: Path = typer.Argument(..., metavar="BUNDLE", help="Folder that `export` wrote."),
    texts: list[str] = typer.Argument(
        None, metavar="TEXT", help="Texts; without any, the lines of standard input."
    ),
    precision: str | None = typer.Option(None, help="fp32 or int8; default is the bundle's first."),
    beam_size: int | None = typer.Option(None, help="Hypotheses kept in the search."),
    nbest: int | None = typer.Option(None, help="Hypotheses to return (json)."),
    batch_size: int = typer.Option(1, min=1, help="Texts decoded together."),
    threads: int | None = typer.Option(None, help="Threads; default is all cores."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object for each text."),
) -> None:
    """Turn text into text.

    The text may be discrete units of speech. A line is printed for each, as it is done; an empty
    one for a text that cannot be used, which is named on stderr, and the exit code is then 2.
    """
    given = {"beam_size": beam_size, "nbest": nbest}
    decoding: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    translator = eo.load(bundle, precision=precision, threads=threads, **decoding)
    if not hasattr(translator, "source"):
        raise InputError(f"{bundle}: this bundle does not translate text: use transcribe or load")
    lines = texts or _standard_input()
    failed = False
    for number, text, result in _results(translator, lines, batch_size):
        failed |= isinstance(result, InputError)
        if isinstance(result, InputError):
            typer.echo(f"error: text {number}: {result}", err=True)
        typer.echo(_line(text, result, as_json))
    raise typer.Exit(2 if failed else 0)


def _standard_input() -> Iterator[str]:
    try:
        for line in sys.stdin:
            yield line.rstrip("\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input: cannot be read as {error.encoding} text (byte {error.start}):"
            " send UTF-8 text, a line for each"
        ) from None


def _results(
    translator: Any, lines: Iterable[str], size: int
) -> Iterator[tuple[int, str, Recognition | InputError]]:
    """Which text it is, from 1 on, the text, and its translation or what is wrong with it."""
    left, number = iter(lines), 0
    while chunk := list(itertools.islice(left, size)):
        try:
            results = translator.batch(chunk, batch_size=size)
        except InputError:
            results = [_alone(translator, text) for text in chunk]
        for text, result in zip(chunk, results, strict=True):
            number += 1
            yield number, text, result


def _alone(translator: Any, text: str) -> Recognition | InputError:
    try:
        found: list[Recognition] = translator.batch([text], batch_size=1)
    except InputError as error:
        return error
    return found[0]


def _line(text: str, result: Recognition | InputError, as_json: bool) -> str:
    if not as_json:
        return "" if isinstance(result, InputError) else str(result.text)
    found = {"error": str(result)} if isinstance(result, InputError) else result.as_dict()
    return json.dumps({"source": text, **found}, ensure_ascii=False)
