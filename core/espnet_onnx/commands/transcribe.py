"""espnet-onnx transcribe: speech to text from a bundle."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

import typer

__all__ = ["register"]


class Format(str, Enum):
    """What `transcribe` prints."""

    text = "text"
    json = "json"
    srt = "srt"
    vtt = "vtt"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("transcribe")(transcribe)


def transcribe(
    bundle: Path = typer.Argument(..., help="Folder that `espnet-onnx export` wrote."),
    audio: list[str] = typer.Argument(..., help="Audio files."),
    precision: str | None = typer.Option(None, help="fp32 or int8; default is the bundle's first."),
    beam_size: int | None = typer.Option(None, help="Hypotheses kept in the search."),
    ctc_weight: float | None = typer.Option(None, help="Weight of CTC against attention, 0 to 1."),
    nbest: int | None = typer.Option(None, help="Hypotheses to return (json)."),
    search: str | None = typer.Option(None, help="beam, greedy (CTC) or time_sync (CTC)."),
    batch_size: int = typer.Option(1, help="Utterances decoded together."),
    threads: int | None = typer.Option(None, help="Threads; default is all cores."),
    form: Format = typer.Option(Format.text, "--format", help="What to print."),
    as_json: bool = typer.Option(False, "--json", help="Short for --format json."),
) -> None:
    """Transcribe audio files."""
    from ..runtime import load

    given = {"beam_size": beam_size, "ctc_weight": ctc_weight, "nbest": nbest, "search": search}
    decoding = {k: v for k, v in given.items() if v is not None}
    asr = load(bundle, precision=precision, threads=threads, **decoding)
    _require_recogniser(bundle, asr)
    form = Format.json if as_json else form
    if form is Format.json:
        results = asr.batch(audio, batch_size=batch_size)
        _print_json(audio, results)
        return
    for i in range(0, len(audio), batch_size):
        chunk = audio[i : i + batch_size]
        for name, result in zip(chunk, asr.batch(chunk, batch_size=batch_size), strict=True):
            _print(name, result, form, len(audio) > 1)


def _require_recogniser(bundle: Path, asr: Any) -> None:
    from ..errors import InputError

    if not hasattr(asr, "batch"):
        raise InputError(f"{bundle}: this bundle does not recognise speech: use espnet_onnx.load")


def _print_json(audio: list[str], results: list[Any]) -> None:
    from .output import print_json

    rows = [{"audio": a, **r.as_dict()} for a, r in zip(audio, results, strict=True)]
    print_json({"results": rows})


def _print(name: str, result: Any, form: Format, several: bool) -> None:
    for note in result.notes:
        typer.echo(f"note: {name}: {note}", err=True)
    if form is Format.text:
        typer.echo(f"{name}\t{result.text}" if several else str(result.text))
        return
    from ..parts import captions

    typer.echo(captions.srt(result) if form is Format.srt else captions.vtt(result))
