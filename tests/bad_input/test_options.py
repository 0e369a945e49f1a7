"""Options of transcribe that cannot be followed: exit code 2 and a line; nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .inputs import Run, noise, plain_file, wav

pytestmark = pytest.mark.export


SETTINGS = {
    "--precision fp16": "has no fp16: use one of fp32, or export it again",
    "--beam-size 100000": "beam_size=100000 cannot be used: give a whole number of at most 10000",
    "--beam-size 0": "beam_size=0 cannot be used: give a whole number of at least 1",
    "--ctc-weight 2": "ctc_weight=2.0 cannot be used: give a number from 0 to 1",
    "--search best": "search='best' cannot be used: give one of beam, greedy, time_sync",
    "--set beams=3": "no search setting is called 'beams': there are beam_size, ",
    "--set maxlenratio=long": "maxlenratio='long' cannot be used",
    "--set maxlenratio": "give NAME=VALUE",
    "--set lm_weight=abc": "lm_weight='abc' cannot be used: give a finite number",
    "--set lm_weight=0.4": "needs a language model, which this bundle lacks: leave it out, or exp",
    "--vad none.onnx": "none.onnx: no such file; vad takes energy, silero or a silero_vad.onnx",
    "--long windows --window nan": "window=nan cannot be used: give 1 second or more",
    "--transcript hello": "this bundle reads no transcripts: leave out --transcript",
    "--threads 0": "threads is 0: give a whole number of 1 or more",
}


@pytest.mark.parametrize("options", SETTINGS)
def test_setting(
    options: str, refused: Callable[..., str], tmp_path: Path, tiny_bundle: Path
) -> None:
    path = wav(tmp_path / "a.wav", noise())
    assert SETTINGS[options] in refused("transcribe", tiny_bundle, path, *options.split())


def test_captions_of_several_recordings_need_a_folder(
    refused: Callable[..., str], tmp_path: Path, tiny_bundle: Path
) -> None:
    line = refused("transcribe", tiny_bundle, "a.wav", "b.wav", "--format", "srt")
    assert "give -o FOLDER" in line
    output = tmp_path / "out"
    line = refused("transcribe", tiny_bundle, "x/a.wav", "y/a.wav", "-o", output)
    assert "several recordings would write a.txt" in line


def test_nothing_is_left_where_no_text_was_written(
    refused: Callable[..., str], tmp_path: Path, tiny_bundle: Path
) -> None:
    output, file = tmp_path / "out", plain_file(tmp_path / "file")
    assert "no such file" in refused("transcribe", tiny_bundle, tmp_path / "a.wav", "-o", output)
    assert "no such bundle" in refused("transcribe", tmp_path / "b", "a.wav", "-o", output)
    for path in (file, file / "below"):
        line = refused("transcribe", tiny_bundle, "a.wav", "-o", path)
        assert f"{file}: is no folder to write texts into: give -o another name" in line


def test_wrong_usage_is_2_as_well(run: Run, tiny_bundle: Path) -> None:
    for arguments in (
        ["transcribe", tiny_bundle],
        ["transcribe", tiny_bundle, "a.wav", "--batch-size", 0],
        ["transcribe", tiny_bundle, "a.wav", "--format", "pdf"],
        ["stream", tiny_bundle, "a.wav", "--chunk", "inf"],
        ["sing"],
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert "Try 'espnet-onnx" in err or "Try '" in err
