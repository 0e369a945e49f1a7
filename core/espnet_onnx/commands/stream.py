"""espnet-onnx stream: speech to text as it comes in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from ..errors import AudioError, InputError
from .output import Bundle
from .setting import Set, settings

__all__ = ["register"]

STDIN = "-"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("stream")(stream)


def stream(
    bundle: Path = Bundle,
    audio: str = typer.Argument(
        STDIN, metavar="AUDIO", help="An audio file; - is raw 16-bit mono samples on stdin."
    ),
    precision: str | None = typer.Option(None, help="fp32 or int8; default is the bundle's first."),
    beam_size: int | None = typer.Option(None, help="Hypotheses kept in the search."),
    ctc_weight: float | None = typer.Option(None, help="Weight of CTC against attention, 0 to 1."),
    setting: list[str] = Set,
    chunk: float = typer.Option(
        0.2, min=0.01, max=60, help="Seconds of audio that are taken at once."
    ),
    eager: bool = typer.Option(
        False,
        "--eager",
        help="Do not wait where a token is repeated: earlier words, ESPnet's other setting.",
    ),
    rate: int | None = typer.Option(None, help="Sample rate of stdin; default is the model's."),
    threads: int | None = typer.Option(None, help="Threads; default is all cores."),
) -> None:
    """Turn speech into text while it comes in.

    Every segment is printed on a line of its own once it is final. A terminal (on stderr) also
    shows the segment that goes on: what is certain, then | and the best guess.
    """
    from ..runtime import load

    weights = {"beam_size": beam_size, "ctc_weight": ctc_weight}
    decoding: dict[str, Any] = {k: v for k, v in weights.items() if v is not None}
    asr = load(bundle, precision=precision, threads=threads, **decoding)
    if not hasattr(asr, "stream"):
        raise InputError(f"{bundle}: this bundle does not stream speech: use espnet_onnx.load")
    if audio != STDIN and rate is not None:
        raise InputError(f"{audio}: states its own sample rate: --rate is for standard input")
    given = settings(setting)
    if "sample_rate" in given:
        raise InputError("--set sample_rate: is no search setting: give --rate")
    options = {"disable_repetition_detection": eager} | given
    running = asr.stream(sample_rate=rate if audio == STDIN else None, **options)
    shown = 0
    for samples in _chunks(audio, chunk, rate or running.sample_rate, running.sample_rate):
        partial = running.push(samples)
        shown += _print(partial.segments)
        _show(partial)
    result = running.finish()
    _show(None)
    if result.segments:
        _print(result.segments[shown:])
    else:
        typer.echo(result.text if result.text is not None else " ".join(result.tokens))


def _chunks(audio: str, seconds: float, given: int, wanted: int) -> Iterator[Any]:
    """Samples of a file at the model's rate, or of stdin at its own."""
    import numpy as np

    if audio == STDIN:
        size = max(1, round(seconds * given))
        heard = 0
        while data := sys.stdin.buffer.read(2 * size):
            heard += len(data) // 2
            yield np.frombuffer(data[: len(data) // 2 * 2], np.int16)
        if not heard:
            raise AudioError("standard input: holds zero samples; send 16-bit mono samples")
        return
    from ..parts.audio_blocks import open_recording

    size = max(1, round(seconds * wanted))
    for block in open_recording(audio, wanted):
        for begin in range(0, len(block), size):
            yield block[begin : begin + size]


def _print(segments: Any) -> int:
    """A line for each segment; how many they were."""
    for segment in segments:
        _show(None)
        typer.echo(segment.text if segment.text is not None else " ".join(segment.tokens))
    return len(segments)


def _show(partial: Any) -> None:
    """The segment that goes on, in a line that the next one replaces."""
    if not sys.stderr.isatty():
        return
    line = "" if partial is None or partial.text is None else partial.text
    if line:
        line = f"{partial.committed}|{partial.tentative}"
    typer.echo(f"\r\x1b[K{line[-100:]}", nl=False, err=True)
