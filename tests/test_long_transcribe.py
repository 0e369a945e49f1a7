"""`transcribe` of long recordings: what is printed where, and the shipped model on real speech.

Its children are the live modules, so that nothing is exported for these tests.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")
pytest.importorskip("espnet2")
import jiwer

from espnet_onnx import components, loader, runtime, sources
from espnet_onnx.parts.audio import read_audio
from espnet_onnx.types import Array

from .parts.test_recognizer import recognizer

pytestmark = pytest.mark.export

DEMO = Path(components.__file__).parent / "data/demo"
RATE = 16000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def asr() -> Any:
    asr = recognizer(loader.load_model(sources.find(DEMO / "conformer")))
    return attrs.evolve(asr, decoding=attrs.evolve(asr.decoding, search="greedy"))


@pytest.fixture(scope="module")
def alone(asr: Any) -> list[tuple[Array, str]]:
    """Samples of the shipped recordings, and what each is heard as alone."""
    samples = [read_audio(path, RATE).samples for path in sorted((DEMO / "audio").glob("*.flac"))]
    return [(s, r.text) for s, r in zip(samples, asr.batch(samples), strict=True)]


@pytest.fixture
def transcribe(run: Run, asr: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, over the live model in place of a bundle."""
    monkeypatch.setattr(runtime, "load", lambda bundle, **options: asr)
    return lambda *arguments: run("transcribe", "bundle", *arguments)


def joined(
    path: Path, alone: list[tuple[Array, str]], count: int, pauses: tuple[float, float]
) -> str:
    """Write recordings in random order with pauses of noise; what they say."""
    rng = np.random.default_rng(0)
    order = rng.integers(len(alone), size=count)
    parts = []
    for i in order:
        pause = np.zeros(round(rng.uniform(*pauses) * RATE), np.float32)
        parts += [alone[i][0], pause]
    whole = np.concatenate(parts)
    soundfile.write(path, whole + rng.normal(0, 1e-3, len(whole)), RATE)
    return " ".join(alone[i][1] for i in order)


def test_cut_in_pauses_all_is_heard_as_alone(
    tmp_path: Path, asr: Any, alone: list[tuple[Array, str]]
) -> None:
    said = joined(tmp_path / "a.flac", alone, 30, (0.7, 1.5))
    result = asr.transcribe(tmp_path / "a.flac", batch_size=4)
    assert result.text == said
    assert len(result.segments) == 30
    times = [t for word in result.words for t in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < result.duration


@pytest.mark.parametrize("options", [{"window": 5.0, "overlap": 2.0}, {"window": 3.0}])
def test_windows_over_speech_without_pauses_lose_and_double_no_word(
    tmp_path: Path, asr: Any, alone: list[tuple[Array, str]], options: dict[str, float]
) -> None:
    said = joined(tmp_path / "a.flac", alone, 30, (0.1, 0.3))
    options = {"overlap": 1.5, **options}
    for long in ("windows", "vad"):
        result = asr.transcribe(tmp_path / "a.flac", long=long, **options)
        assert len(result.segments) > 8
        assert [word.text for word in result.words] == result.text.split()
        found = jiwer.process_words(said, result.text)
        assert (found.deletions, found.insertions) == (0, 0)
        assert found.wer < 0.1  # what a model hears otherwise beside other words


def test_segments_are_printed_and_short_recordings_as_ever(
    transcribe: Run, tmp_path: Path, alone: list[tuple[Array, str]]
) -> None:
    said = joined(tmp_path / "a.flac", alone, 20, (1.0, 1.5))
    short = DEMO / "audio/theo-test-00144.flac"
    code, out, err = transcribe(tmp_path / "a.flac")
    assert (code, err) == (0, "")
    assert " ".join(out.splitlines()) == said
    assert len(out.splitlines()) == 20
    code, out, err = transcribe(short, tmp_path / "a.flac", short)
    assert (code, err) == (0, "")
    lines = [line.split("\t") for line in out.splitlines()]
    assert [name for name, _ in lines] == [str(short), *[str(tmp_path / "a.flac")] * 20, str(short)]
    assert lines[0][1] == lines[-1][1] == "SIX FOUR"
    options = ("-o", tmp_path / "texts", "--batch-size", 4)
    code, out, err = transcribe(tmp_path / "a.flac", *options)
    assert (code, out, err) == (0, "", "")
    assert " ".join((tmp_path / "texts/a.txt").read_text("utf-8").split()) == said


def test_json_and_captions_of_a_long_recording(
    transcribe: Run, tmp_path: Path, alone: list[tuple[Array, str]]
) -> None:
    said = joined(tmp_path / "a.flac", alone, 20, (1.0, 1.5))
    code, out, err = transcribe(
        tmp_path / "a.flac", "--json", "--long", "windows", "--window", 6, "--overlap", 2
    )
    assert (code, err) == (0, "")
    (result,) = json.loads(out)["results"]
    segments = result["segments"]
    assert " ".join(s["text"] for s in segments) == result["text"]
    assert [w for s in segments for w in s["words"]] == result["words"]
    assert all(a["end"] <= b["start"] for a, b in itertools.pairwise(segments))
    for form, mark in (("srt", ","), ("vtt", ".")):
        code, out, err = transcribe(tmp_path / "a.flac", "--format", form)
        assert (code, err) == (0, "")
        cues = re.findall(r"^(\S+) --> (\S+)\n((?:.+\n?)+)", out, re.MULTILINE)
        assert " ".join(" ".join(text for *_, text in cues).split()) == said
        stamps = [stamp for cue in cues for stamp in cue[:2]]
        assert stamps == sorted(stamps)
        assert all(stamp[-4] == mark for stamp in stamps)


def test_no_speech_is_said_and_no_error(transcribe: Run, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 1e-3, 40 * RATE)
    soundfile.write(tmp_path / "a.wav", noise, RATE)
    code, out, err = transcribe(tmp_path / "a.wav")
    assert (code, out) == (0, "\n")
    assert err == f"note: {tmp_path / 'a.wav'}: no speech was found\n"
    code, out, err = transcribe(tmp_path / "a.wav", "--json")
    (result,) = json.loads(out)["results"]
    assert (result["text"], result["segments"]) == ("", [])
    assert result["notes"] == ["no speech was found"]


REFUSED = {
    "--window 0": "window=0 cannot be used",
    "--overlap 11": "overlap=11 cannot be used: give 0 to 10 seconds, half the window",
    "--long vad --vad none.onnx": "none.onnx: no such file",
    "--long sometimes": "'sometimes' is not one of",
}


@pytest.mark.parametrize("options", REFUSED)
def test_options_that_cannot_be_used(transcribe: Run, tmp_path: Path, options: str) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    code, out, err = transcribe(tmp_path / "a.wav", *options.split())
    assert (code, out) == (2, "")
    assert REFUSED[options] in err


def test_a_recording_that_breaks_off_late_is_named_and_its_text_kept(
    transcribe: Run, tmp_path: Path, alone: list[tuple[Array, str]]
) -> None:
    said = joined(tmp_path / "a.flac", alone, 20, (1.0, 1.5))
    samples, _ = soundfile.read(tmp_path / "a.flac")
    samples[-1] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    code, out, err = transcribe(tmp_path / "a.wav")
    assert code == 2
    text = " ".join(out.splitlines())
    assert len(text) > len(said) / 2
    assert said.startswith(text)
    assert err.startswith(f"error: {tmp_path / 'a.wav'}: 1 of ")
    assert err.endswith("samples are NaN or infinite; repair the audio first\n")


TERMINAL = """
import sys
from espnet_onnx.commands.progress import progress
sys.stderr.isatty = lambda: True
with progress("speech.flac", 60.0) as show:
    show(30.0)
    print("ONE")
"""


def test_a_terminal_sees_progress_and_nobody_else() -> None:
    for code, seen in ((TERMINAL, True), (TERMINAL.replace("True", "False"), False)):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "ONE\n")
        assert ("speech.flac" in done.stderr) is seen
