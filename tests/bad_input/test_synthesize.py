"""What synthesize cannot speak: exit code 2 and a line; no sound file is left.

The model is a few lines of numpy, so that nothing needs an export.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from espnet_onnx import runtime
from espnet_onnx.errors import InputError
from espnet_onnx.parts.synthesizer import Synthesizer
from espnet_onnx.parts.text import TextToTokens
from espnet_onnx.parts.voices import Voices

from ..parts.speaking import synthesizer
from .inputs import Run, empty_folder, plain_file

TEXT = "a bad cab"
TOKENS = ["<unk>", *"abcde", "<space>", "."]
EVERYTHING = Voices(("sids", "lids", "spembs"), speakers=4, languages=2, width=6)
VOICE: dict[str, Any] = {"--sid": 1, "--lid": 0, "--spembs": "x.npy"}
VOICED = {
    "--sid": (9, "sids is 9, this model knows 0 to 3: give one of these"),
    "--lid": (-1, "lids is -1, this model knows 0 to 1: give one of these"),
    "--spembs": ("wide.npy", "spembs has the shape (7,), this model wants (6,): give the x-vector"),
}
MISSING = {
    "--sid": "needs a speaker id: give sids",
    "--lid": "needs a language id: give lids",
    "--spembs": "needs a speaker embedding (x-vector): give spembs",
}
OPTIONS = {
    "--speech a.wav": "does not take a recording to speak like: leave speech out",
    "--speed 0": "--speed 0: give a number from 0.1 to 10, such as 1.2",
    "--speed nan": "--speed nan: give a number from 0.1 to 10",
    "--set beam_size=3": "no setting is called beam_size: there are alpha, noise_scale, seed, ",
    "--set noise=3": "no setting is called noise: there are",
    "--set alpha": "--set alpha: give NAME=NUMBER, such as alpha=1",
    "--set alpha=fast": "--set alpha=fast: give NAME=NUMBER",
    '--set alpha="fast"': "alpha is 'fast': give a number",
    "--set alpha=-1": "alpha is -1: give one from 0.01 to 100, 1 as trained",
    "--set alpha=1e9": "alpha is 1e+09: give one from 0.01 to 100",
    "--set prefer_normalized_feats=7": "prefer_normalized_feats is neither true nor false",
    "--set seed=1.5": "seed is 1.5: give a whole number",
    "--set longest=0": "longest is 0: give how many letters to speak in one go",
}
TEXTS = {
    "": "the text is empty: give a text to speak",
    " \n": "the text is empty: give a text to speak",
    "\u4f60\u597d": "has no token that the model knows",
    "\U0001f642": "has no token that the model knows",
}


def speak(monkeypatch: pytest.MonkeyPatch, tts: Any) -> None:
    monkeypatch.setattr(runtime, "load", lambda *_, **__: tts)


def reading(voices: Voices | None = None) -> Synthesizer:
    """A model of a few letters."""
    text = TextToTokens.of({"token_type": "char", "token_list": TOKENS}, {})
    return attrs.evolve(synthesizer(voices), text=text, vocabulary=len(TOKENS))


def arguments(folder: Path, changed: dict[str, Any]) -> list[Any]:
    np.save(folder / "x.npy", np.ones(6))
    np.save(folder / "wide.npy", np.ones(7))
    given = {**VOICE, **changed}
    given["--spembs"] = given["--spembs"] and folder / given["--spembs"]
    return [word for name, value in given.items() if value is not None for word in (name, value)]


@pytest.mark.parametrize("stream", [(), ("--stream",)])
@pytest.mark.parametrize("option", VOICED)
def test_voice(
    option: str,
    stream: tuple[str, ...],
    refused: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speak(monkeypatch, reading(EVERYTHING))
    out = ("-o", tmp_path / "out.wav", *stream)
    value, problem = VOICED[option]
    wrong = arguments(tmp_path, {option: value})
    assert problem in refused("synthesize", "bundle", TEXT, *wrong, *out)
    without = arguments(tmp_path, {option: None})
    assert MISSING[option] in refused("synthesize", "bundle", TEXT, *without, *out)


@pytest.mark.parametrize("options", OPTIONS)
def test_option(
    options: str, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(monkeypatch, reading())
    line = refused("synthesize", "bundle", TEXT, "-o", tmp_path / "o.wav", *options.split())
    assert OPTIONS[options] in line


@pytest.mark.parametrize("text", TEXTS)
def test_text(
    text: str, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(monkeypatch, reading())
    for stream in ((), ("--stream",)):
        line = refused("synthesize", "bundle", text, "-o", tmp_path / "out.wav", *stream)
        assert TEXTS[text] in line


def test_files(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(monkeypatch, reading())
    folder, file = empty_folder(tmp_path / "folder.wav"), plain_file(tmp_path / "vector.npy")
    for output, problem in (
        (tmp_path / "out.mp9", "is no name of a sound file: end it in .wav or .flac"),
        (tmp_path / "out", "is no name of a sound file"),
        (tmp_path / "gone" / "out.wav", "there is no folder"),
        (folder, "cannot be written"),
    ):
        assert problem in refused("synthesize", "bundle", TEXT, "-o", output)
    out = ("-o", tmp_path / "out.wav")
    for vector in (file, tmp_path / "gone.npy", folder):
        line = refused("synthesize", "bundle", TEXT, "--spembs", vector, *out)
        assert f"{vector}: is no array that numpy can read" in line
    np.save(tmp_path / "frames.npy", [1, 2])
    line = refused("synthesize", "bundle", TEXT, "--durations", tmp_path / "frames.npy", *out)
    assert "this model decides itself how long tokens last: leave durations out" in line
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\xff"), "utf-8"))
    assert "stdin is no text in utf-8: give UTF-8" in refused("synthesize", "bundle", "-", *out)


def test_a_bundle_that_does_not_speak(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(monkeypatch, object())
    line = refused("synthesize", "bundle", TEXT, "-o", tmp_path / "out.wav")
    assert "bundle: this bundle does not speak: give one of a TTS model" in line


def test_what_is_unknown_in_a_text_is_named_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(monkeypatch, reading())
    text = " ".join(["abc\U0001f642. ade%." for _ in range(99)])  # of several pieces
    code, out, err = run("synthesize", "bundle", text, "-o", tmp_path / "out.wav")
    assert code == 0 and "out.wav: " in out
    assert err == "WARNING: the model does not know '\U0001f642', '%': read as <unk>\n"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([1, 99], "token 99 is none of the model's: give ids from 0 to 7"),
        ([-1], "token -1 is none of the model's"),
        ([0.5], "neither a text nor its token ids"),
        (["a"], "neither a text nor its token ids"),
        ([[1], [1, 2]], "neither a text nor its token ids"),
        (None, "neither a text nor its token ids"),
    ],
)
def test_token_ids(given: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        reading()(given)
