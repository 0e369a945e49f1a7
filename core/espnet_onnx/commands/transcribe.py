"""espnet-onnx transcribe: speech to text from a bundle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import typer

from ..errors import AudioError, InputError
from .output import Bundle, print_json
from .recordings import recognise
from .setting import Set, settings

if TYPE_CHECKING:
    from ..parts.result import Recognition, Segment

__all__ = ["register"]


class Format(StrEnum):
    """What `transcribe` prints."""

    text = "text"
    json = "json"
    srt = "srt"
    vtt = "vtt"


class Long(StrEnum):
    """What `transcribe` does with long recordings."""

    auto = "auto"
    vad = "vad"
    windows = "windows"
    off = "off"


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
    search: str | None = typer.Option(
        None, help="beam; by CTC alone greedy, time_sync; of transducers tsd, maes and others."
    ),
    setting: list[str] = Set,
    batch_size: int = typer.Option(
        1, min=1, help="Recordings, or pieces of a long one, decoded together."
    ),
    long: Long = typer.Option(
        Long.auto,
        help="Cut recordings in pauses (vad), into overlapping windows, or not at all (off);"
        " auto is vad for those of more than 30 s.",
    ),
    window: float = typer.Option(20.0, help="Seconds of a window, and of the longest piece."),
    overlap: float = typer.Option(
        4.0, help="Seconds that windows share, and pieces cut where nobody pauses."
    ),
    vad: str = typer.Option(
        "energy", metavar="NAME", help="energy, silero, or the path of silero_vad.onnx."
    ),
    transcript: list[str] = typer.Option(
        [], metavar="TEXT", help="What a first pass heard, for models that read it; one a file."
    ),
    threads: int | None = typer.Option(None, help="Threads; default is all cores."),
    form: Format = typer.Option(Format.text, "--format", help="What to print."),
    output: Path | None = typer.Option(
        None, "-o", "--output", metavar="FOLDER", help="Write a file for each recording there."
    ),
    as_json: bool = typer.Option(False, "--json", help="Short for --format json."),
) -> None:
    """Turn speech into text.

    Each recording is printed as soon as it is done; of a long one, each piece, on a line of its
    own. One that cannot be used is named on stderr, the others are done all the same, and the
    exit code is then 2.
    """
    from ..parts.first_pass import paired
    from ..parts.long_audio import Cutting
    from ..runtime import load

    form = Format.json if as_json else form
    _check_output(audio, form, output)
    cutting = Cutting(long=long.value, window=window, overlap=overlap, vad=vad)
    given = {"beam_size": beam_size, "ctc_weight": ctc_weight, "nbest": nbest, "search": search}
    decoding = {k: v for k, v in given.items() if v is not None} | settings(setting)
    asr = load(bundle, precision=precision, threads=threads, **decoding)
    _check_recogniser(asr, bundle)
    recordings = list(zip(audio, paired(asr, audio, transcript), strict=True))
    printer = _Printer(form, output, several=len(audio) > 1)
    for name, result in recognise(asr, recordings, batch_size, cutting, printer.segment):
        printer.result(name, result)
    if form is Format.json and output is None:
        print_json({"results": printer.rows})
    raise typer.Exit(2 if printer.failed else 0)


def _check_recogniser(loaded: Any, bundle: Path) -> None:
    from ..parts.extractor import Extractor
    from ..parts.synthesizer import Synthesizer

    if isinstance(loaded, Extractor):
        raise InputError(f"{bundle}: this bundle extracts features: use espnet-onnx dump")
    if isinstance(loaded, Synthesizer):
        raise InputError(f"{bundle}: this bundle speaks: use espnet-onnx synthesize")
    if not (hasattr(loaded, "batch") and hasattr(loaded, "sample_rate")):
        raise InputError(f"{bundle}: this bundle does not recognise speech: use espnet_onnx.load")


@attrs.define
class _Printer:
    """Delivers results on stdout or in files.

    Attributes:
        rows: what JSON has on stdout, which waits for all.
        failed: whether a recording could not be used.
    """

    form: Format
    output: Path | None
    several: bool
    rows: list[dict[str, Any]] = attrs.field(factory=list)
    failed: bool = False

    def segment(self, name: str, segment: Segment) -> None:
        """A piece of a long recording."""
        if self.form is Format.text and self.output is None:
            self._line(name, str(segment.text))

    def result(self, name: str, result: Recognition | AudioError) -> None:
        """A recording, whose pieces were given before."""
        self._tell(name, result)
        if isinstance(result, AudioError):
            self.failed = True
        if self.form is Format.json and self.output is None:
            self.rows.append(_row(name, result))
        elif isinstance(result, AudioError):
            return
        elif self.output is not None:
            _write(
                self.output, _file(self.output, name, self.form), _render(name, result, self.form)
            )
        elif self.form is not Format.text or not result.segments:
            self._line(name, _render(name, result, self.form))

    def _line(self, name: str, text: str) -> None:
        tab = f"{name}\t" if self.form is Format.text and self.several else ""
        typer.echo(tab + text)

    def _tell(self, name: str, result: Recognition | AudioError) -> None:
        """Errors, and notes that the JSON does not hold, on stderr."""
        if isinstance(result, AudioError):
            typer.echo(f"error: {result}", err=True)
        elif self.form is not Format.json:
            for note in result.notes:
                typer.echo(f"note: {name}: {note}", err=True)


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
    there = next(path for path in (output, *output.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"{there}: is no folder to write texts into: give -o another name")


def _write(output: Path, file: Path, text: str) -> None:
    """A folder is only made for a text to go there."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", "utf-8")
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"{file}: cannot be written ({why}): give -o another folder") from error


def _row(name: str, result: Recognition | AudioError) -> dict[str, Any]:
    if isinstance(result, AudioError):
        return {"audio": name, "error": str(result)}
    return {"audio": name, **result.as_dict()}


def _render(name: str, result: Recognition, form: Format) -> str:
    if form is Format.json:
        return json.dumps(_row(name, result), ensure_ascii=False, indent=1)
    if form is Format.text:
        return "\n".join(str(part.text) for part in result.segments or [result])
    from ..parts import captions

    text = captions.srt(result) if form is Format.srt else captions.vtt(result)
    return text.rstrip("\n")


def _file(output: Path, name: str, form: Format) -> Path:
    ending = "txt" if form is Format.text else form.value
    return output / f"{Path(name).stem}.{ending}"
