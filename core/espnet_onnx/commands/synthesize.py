"""espnet-onnx synthesize: text to speech from a bundle."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import InputError, one_line
from .output import Bundle, print_json

if TYPE_CHECKING:
    from ..parts.synthesizer import Synthesizer

__all__ = ["embedding", "register"]

# Settings beside the acoustic model's own.
_FURTHER = ("seed", "prefer_normalized_feats", "longest")
_SLOWEST = 0.1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("synthesize")(synthesize)


def synthesize(
    bundle: Path = Bundle,
    text: str = typer.Argument(..., metavar="TEXT", help="What to say; - reads it from stdin."),
    output: Path = typer.Option(
        ..., "-o", "--output", metavar="OUT.wav", help="Sound file to write, such as .wav or .flac."
    ),
    sid: int | None = typer.Option(None, help="Speaker id, for models of several speakers."),
    lid: int | None = typer.Option(None, help="Language id, for models of several languages."),
    spembs: Path | None = typer.Option(
        None, metavar="FILE.npy", help="Speaker embedding (x-vector), for models that take one."
    ),
    speech: Path | None = typer.Option(
        None,
        metavar="AUDIO",
        help="Recording to speak like, for models with style tokens; or to follow, with --set"
        " use_teacher_forcing=true.",
    ),
    durations: Path | None = typer.Option(
        None,
        metavar="FILE.npy",
        help="Frames of each token instead of the model's own, for VITS, FastSpeech and JETS.",
    ),
    speed: float | None = typer.Option(None, help="1 as trained, 2 twice as fast; 0.1 to 10."),
    seed: int | None = typer.Option(None, help="Of the noise; the same one sounds the same."),
    setting: list[str] = typer.Option(
        [],
        "--set",
        metavar="NAME=VALUE",
        help="Any other setting, such as noise_scale=0.3; a wrong name lists them.",
    ),
    stream: bool = typer.Option(
        False, "--stream", help="Write sound as soon as it is known, part by part."
    ),
    precision: str | None = typer.Option(None, help="fp32 or int8; default is the bundle's first."),
    threads: int | None = typer.Option(None, help="Threads; default is all cores."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object and nothing else."),
) -> None:
    """Speak a text into a sound file of 16 bits.

    A long text is spoken sentence by sentence. What the model needs (--sid, ...) it asks for.
    """
    from ..runtime import load

    tts = load(bundle, precision=precision, threads=threads)
    if not hasattr(tts, "vocoder"):
        raise InputError(f"{bundle}: this bundle does not speak: give one of a TTS model")
    _check_output(output)
    given = _settings(tts, setting) | _speed(tts, speed)
    voice = {"sids": sid, "lids": lid, "speech": speech, "seed": seed}
    given |= {name: value for name, value in voice.items() if value is not None}
    if spembs is not None:
        given["spembs"] = embedding(spembs)
    if durations is not None:
        given["durations"] = embedding(durations, "durations")
    text = _stdin() if text == "-" else text
    done = _streamed(tts, text, output, given) if stream else _whole(tts, text, output, given)
    if as_json:
        print_json({"audio": str(output), **done})
    else:
        first = done.get("first_sound_after")
        typer.echo(
            f"{output}: {done['seconds']:.2f} s at {done['sample_rate']} Hz, made in"
            f" {done['made_in']:.2f} s" + (f", first sound after {first:.2f} s" if first else "")
        )


def _whole(tts: Synthesizer, text: str, output: Path, given: dict[str, Any]) -> dict[str, Any]:
    start = time.perf_counter()
    speech = tts(text, **given)
    made_in = time.perf_counter() - start
    speech.save(output)
    durations = None if speech.durations is None else speech.durations.tolist()
    return {
        "seconds": speech.seconds,
        "sample_rate": speech.sample_rate,
        "made_in": made_in,
        "ids": list(speech.ids),
        "durations": durations,
    }


def _streamed(tts: Synthesizer, text: str, output: Path, given: dict[str, Any]) -> dict[str, Any]:
    from ..parts.speech import open_file

    start, samples = time.perf_counter(), 0
    waves = tts(text, stream=True, **given)
    # What cannot be spoken leaves no file.
    head = list(itertools.islice(waves, 1))
    first = time.perf_counter() - start
    with open_file(output, tts.sample_rate) as file:
        for wave in itertools.chain(head, waves):
            file.write(wave)
            file.flush()
            samples += len(wave)
    return {
        "seconds": samples / tts.sample_rate,
        "sample_rate": tts.sample_rate,
        "made_in": time.perf_counter() - start,
        "first_sound_after": first,
    }


def _speed(tts: Synthesizer, speed: float | None) -> dict[str, float]:
    """ESPnet's `speed_control_alpha` stretches."""
    if speed is None:
        return {}
    if "alpha" not in tts.settings.options:
        raise InputError("this model decides itself how fast it speaks: leave --speed out")
    if not _SLOWEST <= speed <= 1 / _SLOWEST:
        raise InputError(
            f"--speed {speed:g}: give a number from {_SLOWEST:g} to {1 / _SLOWEST:g}, such as 1.2"
        )
    return {"alpha": 1 / speed}


def _settings(tts: Synthesizer, texts: Sequence[str]) -> dict[str, Any]:
    known = (*tts.settings.options, *_FURTHER)
    names = ", ".join(known)
    found = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if name not in known:
            raise InputError(f"--set {text}: no setting is called {name}: there are {names}")
        try:
            found[name] = json.loads(value if equals else "")
        except ValueError:
            raise InputError(f"--set {text}: give NAME=NUMBER, such as {name}=1") from None
    return found


def _stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise InputError(f"stdin is no text in {error.encoding}: give UTF-8") from error


def _check_output(path: Path) -> None:
    """Before the work, rather than after it."""
    import soundfile

    ending = path.suffix.lstrip(".").upper()
    if ending not in soundfile.available_formats() or not soundfile.check_format(ending, "PCM_16"):
        raise InputError(f"{path}: is no name of a sound file: end it in .wav or .flac")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}: make it, or give another name")


def embedding(path: Path, what: str = "an x-vector") -> Any:
    """A speaker embedding from a file, or `what` else is to be there.

    Raises:
        InputError: it holds no array.
    """
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        why = f" ({one_line(error)})" if isinstance(error, OSError) else ""
        raise InputError(
            f"{path}: is no array that numpy can read{why}: give {what} as .npy"
        ) from error
