"""What commands print: for people by default, for programs with --json."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import typer

__all__ = [
    "Bundle",
    "Json",
    "Lm",
    "Ngram",
    "Prefer",
    "Vocoder",
    "Without",
    "print_json",
    "split",
    "steps",
    "table",
]

Bundle = typer.Argument(..., metavar="BUNDLE", help="Folder that `espnet-onnx export` wrote.")
Json = typer.Option(False, "--json", help="Print one JSON object and nothing else.")
Prefer = typer.Option([], "--prefer", metavar="NAME", help="Plugin that wins a conflict.")
Lm = typer.Option(
    None,
    "--lm",
    help="Language model: folder, zip, tag or CONFIG:FILE; none leaves a pack's out.",
)
Ngram = typer.Option(None, "--ngram", help="N-gram model: ARPA file or kenlm binary.")
Vocoder = typer.Option(
    None,
    "--vocoder",
    help="ParallelWaveGAN checkpoint, its folder, or a tag (parallel_wavegan/NAME); default is"
    " Griffin-Lim.",
)
Without = typer.Option([], "--without", metavar="NAME", help="Plugin to leave out.")


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


def split(text: str) -> list[str]:
    """A comma-separated list."""
    return [piece.strip() for piece in text.split(",") if piece.strip()]


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table on stdout, columns as wide as they need to be."""
    cells = [list(map(str, columns)), *(["" if c is None else str(c) for c in r] for r in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())


@contextlib.contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """A function to tell of each step; shown on stderr, only where that is a terminal.

    Meanwhile what ESPnet, torch and their friends print or warn of goes nowhere, since ours is
    the only voice on stdout; with `ESPNET_ONNX_RAISE=1` it goes to stderr.
    """
    stderr = sys.stderr
    aside = stderr if os.environ.get("ESPNET_ONNX_RAISE") == "1" else io.StringIO()
    with (
        contextlib.redirect_stdout(aside),
        contextlib.redirect_stderr(aside),
        warnings.catch_warnings(),
        contextlib.ExitStack() as stack,
    ):
        if aside is not stderr:
            warnings.simplefilter("ignore")
        if not stderr.isatty():
            yield lambda step: None
            return
        from rich.console import Console

        status = stack.enter_context(Console(file=stderr).status("starting"))
        yield status.update
