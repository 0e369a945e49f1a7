"""espnet-onnx translate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import typer
from typer.testing import CliRunner

import espnet_onnx
from espnet_onnx.errors import InputError
from espnet_onnx.parts.result import Recognition
from espnet_onnx_plugin_mt import command


@attrs.frozen
class Upper:
    """A translator to upper case that remembers how it was asked."""

    decoding: dict[str, Any]
    batches: list[list[str]] = attrs.field(factory=list)
    source: str = "anything"

    def batch(self, texts: list[str], batch_size: int) -> list[Recognition]:
        assert len(texts) <= batch_size
        if "" in texts:
            raise InputError("the text is empty")
        self.batches.append(texts)
        return [Recognition(text.upper()) for text in texts]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Upper]:
    translators: list[Upper] = []

    def load(_bundle: Path, **options: Any) -> Upper:
        translators.append(Upper(options))
        return translators[-1]

    monkeypatch.setattr(espnet_onnx, "load", load)
    return translators


def run(*arguments: str, text: str | bytes = "") -> Any:
    app = typer.Typer()
    command.register(app)
    return CliRunner().invoke(app, ["bundle", *arguments], input=text)


def test_texts_are_translated_line_by_line(made: list[Upper]) -> None:
    result = run("eins zwei", "drei", "--beam-size", "4")
    assert (result.exit_code, result.stdout) == (0, "EINS ZWEI\nDREI\n")
    assert made[0].decoding == {"precision": None, "threads": None, "beam_size": 4}
    assert made[0].batches == [["eins zwei"], ["drei"]]


def test_standard_input_is_read_in_batches(made: list[Upper]) -> None:
    result = run("--json", "--batch-size", "2", text="eins\nzwei\ndrei\n")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["source"], row["text"]) for row in rows] == [
        ("eins", "EINS"),
        ("zwei", "ZWEI"),
        ("drei", "DREI"),
    ]
    assert made[0].batches == [["eins", "zwei"], ["drei"]]


def test_a_bundle_of_speech_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espnet_onnx, "load", lambda *_args, **_options: object())
    result = run("eins")
    assert isinstance(result.exception, InputError)
    assert "does not translate text" in str(result.exception)


@pytest.mark.parametrize("size", [1, 2])
def test_a_bad_text_does_not_stop_the_others(made: list[Upper], size: int) -> None:
    result = run("--batch-size", str(size), text="eins\n\ndrei\n")
    assert (result.exit_code, result.stdout) == (2, "EINS\n\nDREI\n")
    assert result.stderr == "error: text 2: the text is empty\n"
    result = run("--json", "--batch-size", str(size), text="eins\n\n")
    assert result.exit_code == 2
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["text"] == "EINS"
    assert second == {"source": "", "error": "the text is empty"}


def test_standard_input_that_is_no_text_is_refused(made: list[Upper]) -> None:
    result = run(text=b"eins\n\xff\xfe\n")
    assert isinstance(result.exception, InputError)
    assert "cannot be read as utf-8 text (byte 5): send UTF-8 text" in str(result.exception)
    assert result.stdout == ""
