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

    The text may be discrete units of speech. A line is printed for each, as it is done.
    """
    given = {"beam_size": beam_size, "nbest": nbest}
    decoding: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    translator = eo.load(bundle, precision=precision, threads=threads, **decoding)
    if not hasattr(translator, "source"):
        raise InputError(f"{bundle}: this bundle does not translate text: use transcribe or load")
    lines = texts or _standard_input()
    for first, chunk in _chunks(lines, batch_size):
        try:
            results = translator.batch(chunk, batch_size=batch_size)
        except InputError as error:
            last = first + len(chunk) - 1
            where = f"text {first}" if last == first else f"texts {first} to {last}"
            raise InputError(f"{where}: {error}") from error
        for text, result in zip(chunk, results, strict=True):
            typer.echo(_line(text, result) if as_json else result.text)


def _standard_input() -> Iterator[str]:
    try:
        for line in sys.stdin:
            yield line.rstrip("\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input: cannot be read as {error.encoding} text (byte {error.start}):"
            " send UTF-8 text, a line for each"
        ) from None


def _chunks(lines: Iterable[str], size: int) -> Iterator[tuple[int, list[str]]]:
    """So many texts at a time, and which the first of them is, from 1 on."""
    left, first = iter(lines), 1
    while chunk := list(itertools.islice(left, size)):
        yield first, chunk
        first += len(chunk)


def _line(text: str, result: Any) -> str:
    return json.dumps({"source": text, **result.as_dict()}, ensure_ascii=False)
