"""espnet-onnx transcribe: speech to text from a bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import AudioError, InputError
from .output import Bundle, print_json

if TYPE_CHECKING:
    from ..parts.result import Recognition

__all__ = ["register"]


class Format(StrEnum):
    """What `transcribe` prints."""

    text = "text"
    json = "json"
    srt = "srt"
    vtt = "vtt"


CAPTIONS = (Format.srt, Format.vtt)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("transcribe")(transcribe)


def transcribe(
    bundle: Path = Bundle,
    audio: list[str] = typer.Argument(..., metavar="AUDIO", help="Audio files."),
    precision: str | None = typer.Option(None, help="fp32 or int8; default is the bundle's first."),
    beam_size: int | None = typer.Option(None, help="Hypotheses kept in the search."),
    ctc_weight: float | None = typer.Option(None, help="Weight of CTC against attention, 0 to 1."),
    nbest: int | None = typer.Option(None, help="Hypotheses to return (json)."),
    search: str | None = typer.Option(None, help="beam; or by CTC alone: greedy, time_sync."),
    setting: list[str] = typer.Option(
        [], "--set", metavar="NAME=VALUE", help="Any other search setting: maxlenratio=-40."
    ),
    batch_size: int = typer.Option(1, min=1, help="Recordings decoded together."),
    threads: int | None = typer.Option(None, help="Threads; default is all cores."),
    form: Format = typer.Option(Format.text, "--format", help="What to print."),
    output: Path | None = typer.Option(
        None, "-o", "--output", metavar="FOLDER", help="Write a file for each recording there."
    ),
    as_json: bool = typer.Option(False, "--json", help="Short for --format json."),
) -> None:
    """Turn speech into text.

    Each recording is printed as soon as it is done. One that cannot be used is named on stderr,
    the others are done all the same, and the exit code is then 2.
    """
    from ..runtime import load

    form = Format.json if as_json else form
    _check_output(audio, form, output)
    given = {"beam_size": beam_size, "ctc_weight": ctc_weight, "nbest": nbest, "search": search}
    decoding = {k: v for k, v in given.items() if v is not None} | dict(map(_setting, setting))
    asr = load(bundle, precision=precision, threads=threads, **decoding)
    if not hasattr(asr, "batch"):
        raise InputError(f"{bundle}: this bundle does not recognise speech: use espnet_onnx.load")
    rows = []
    for name, result in _recognise(asr, audio, batch_size):
        rows.append(_row(name, result))
        _tell(name, result, form)
        if not isinstance(result, AudioError):
            _deliver(name, result, form, output, several=len(audio) > 1)
    if form is Format.json and output is None:
        print_json({"results": rows})
    raise typer.Exit(2 if any("error" in row for row in rows) else 0)


def _check_output(audio: Sequence[str], form: Format, output: Path | None) -> None:
    """Refuse what would mix or overwrite texts, before the work."""
    if output is None:
        if form in CAPTIONS and len(audio) > 1:
            raise InputError(
                f"{form.value} of {len(audio)} recordings would run together: give -o FOLDER"
            )
        return
    names = [_file(output, name, form).name for name in audio]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{output}: several recordings would write {twice[0]}: rename them")
    output.mkdir(parents=True, exist_ok=True)


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: give NAME=VALUE, such as maxlenratio=-40")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


def _recognise(
    asr: Any, audio: Sequence[str], batch_size: int
) -> Iterator[tuple[str, Recognition | AudioError]]:
    """Every recording with its result, or with what is wrong with it."""
    for i in range(0, len(audio), batch_size):
        chunk = audio[i : i + batch_size]
        try:
            results = asr.batch(chunk, batch_size=batch_size)
        except AudioError:
            results = (_alone(asr, name) for name in chunk)
        yield from zip(chunk, results, strict=True)


def _alone(asr: Any, name: str) -> Recognition | AudioError:
    try:
        result: Recognition = asr(name)
    except AudioError as error:
        return error
    return result


def _row(name: str, result: Recognition | AudioError) -> dict[str, Any]:
    if isinstance(result, AudioError):
        return {"audio": name, "error": str(result)}
    return {"audio": name, **result.as_dict()}


def _tell(name: str, result: Recognition | AudioError, form: Format) -> None:
    """Errors, and notes that the JSON does not hold, on stderr."""
    if isinstance(result, AudioError):
        typer.echo(f"error: {result}", err=True)
    elif form is not Format.json:
        for note in result.notes:
            typer.echo(f"note: {name}: {note}", err=True)


def _deliver(
    name: str, result: Recognition, form: Format, output: Path | None, *, several: bool
) -> None:
    """One text on stdout or in a file; JSON on stdout waits for the others."""
    if output is not None:
        _file(output, name, form).write_text(_render(name, result, form) + "\n", "utf-8")
    elif form is not Format.json:
        tab = f"{name}\t" if form is Format.text and several else ""
        typer.echo(tab + _render(name, result, form))


def _render(name: str, result: Recognition, form: Format) -> str:
    if form is Format.json:
        return json.dumps(_row(name, result), ensure_ascii=False, indent=1)
    if form is Format.text:
        return str(result.text)
    from ..parts import captions

    text = captions.srt(result) if form is Format.srt else captions.vtt(result)
    return text.rstrip("\n")


def _file(output: Path, name: str, form: Format) -> Path:
    ending = "txt" if form is Format.text else form.value
    return output / f"{Path(name).stem}.{ending}"
