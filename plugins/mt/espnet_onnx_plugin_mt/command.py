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
    """Turn text, or discrete units of speech, into text; one line for each, as it is done."""
    given = {"beam_size": beam_size, "nbest": nbest}
    decoding: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    translator = eo.load(bundle, precision=precision, threads=threads, **decoding)
    if not hasattr(translator, "source"):
        raise InputError(f"{bundle}: this bundle does not translate text: use transcribe or load")
    lines = texts or (line.rstrip("\n") for line in sys.stdin)
    for chunk in _chunks(lines, batch_size):
        for text, result in zip(chunk, translator.batch(chunk, batch_size=batch_size), strict=True):
            typer.echo(_line(text, result) if as_json else result.text)


def _chunks(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    left = iter(lines)
    while chunk := list(itertools.islice(left, size)):
        yield chunk


def _line(text: str, result: Any) -> str:
    return json.dumps({"source": text, **result.as_dict()}, ensure_ascii=False)
