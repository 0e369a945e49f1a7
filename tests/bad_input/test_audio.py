"""Bad recordings: exit code 2, a line that says what, why and what to do; nothing is written."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import espnet_onnx
from espnet_onnx import runtime
from espnet_onnx.errors import InputError

from .inputs import RATE, Run, noise, wav

pytestmark = pytest.mark.export


def with_nan(path: Path) -> None:
    samples = noise()
    samples[5] = np.nan
    wav(path, samples)


AUDIO: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda p: None, "no such file; check the path"),
    "empty": (lambda p: p.touch(), "the file is empty"),
    "folder": (lambda p: p.mkdir(), "is a folder"),
    "text": (lambda p: p.write_text("hello " * 99), "cannot be read as audio"),
    "nan": (with_nan, "1 of 8000 samples are NaN or infinite"),
    "no_samples": (lambda p: wav(p, noise(0)), "holds zero samples"),
    "too_short": (lambda p: wav(p, noise(30)), "too short (30 samples at 8000 Hz"),
    "too_short_for_encoder": (lambda p: wav(p, noise(200)), "the encoder needs 7"),
    "integers_as_floats": (lambda p: wav(p, 30000 * noise()), "integers given as floats"),
}


@pytest.mark.parametrize("kind", AUDIO)
def test_audio(kind: str, refused: Callable[..., str], tmp_path: Path, tiny_bundle: Path) -> None:
    make, why = AUDIO[kind]
    path = tmp_path / "a.wav"
    make(path)
    line = refused("transcribe", tiny_bundle, path)
    assert why in line
    assert str(path) in line


def test_one_bad_recording_does_not_stop_the_others(
    run: Run, tmp_path: Path, tiny_bundle: Path
) -> None:
    good, bad = wav(tmp_path / "good.wav", noise()), tmp_path / "bad.wav"
    for size in (1, 4):
        code, out, err = run("transcribe", tiny_bundle, bad, good, good, "--batch-size", size)
        assert code == 2
        assert [line.split("\t")[0] for line in out.splitlines()] == [str(good)] * 2
        assert err == f"error: {bad}: no such file; check the path\n"
    code, out, err = run("transcribe", tiny_bundle, bad, good, "--json")
    assert code == 2
    first, second = json.loads(out)["results"]
    assert first == {"audio": str(bad), "error": f"{bad}: no such file; check the path"}
    assert second["tokens"]


@pytest.mark.parametrize(
    ("rate", "channels", "note"),
    [(16000, 1, "resampled from 16000 Hz to 8000 Hz"), (RATE, 2, "mixed 2 channels to mono")],
)
def test_what_was_changed_is_said(
    run: Run, tmp_path: Path, tiny_bundle: Path, rate: int, channels: int, note: str
) -> None:
    path = wav(tmp_path / "a.wav", noise(8000, channels), rate)
    code, out, err = run("transcribe", tiny_bundle, path)
    assert code == 0
    assert out.strip()
    assert err == f"note: {path}: {note}\n"


def test_a_recording_without_a_name(refused: Callable[..., str], tiny_bundle: Path) -> None:
    assert "a recording's name is empty" in refused("transcribe", tiny_bundle, "")


@pytest.mark.parametrize("data", [b"", b"\x01"])
def test_nothing_to_stream(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    running = SimpleNamespace(sample_rate=RATE, push=lambda samples: SimpleNamespace(segments=()))
    streaming = SimpleNamespace(stream=lambda **options: running)
    monkeypatch.setattr(runtime, "load", lambda *given, **options: streaming)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert "standard input: holds zero samples" in refused("stream", "b")
    assert "b/a.wav: no such file; check the path" in refused("stream", "b", "b/a.wav")


def test_the_library_raises_the_same(tiny_bundle: Path) -> None:
    with pytest.raises(InputError, match="no search setting is called 'beams'"):
        espnet_onnx.load(tiny_bundle, beams=3)
    asr = espnet_onnx.load(tiny_bundle)
    with pytest.raises(InputError, match=r"nothing\.wav: no such file"):
        asr("nothing.wav")
    with pytest.raises(InputError, match="integers given as floats"):
        asr(30000 * noise())
