"""The conformance kit on plugin slu, and its bundles on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.export
pytest.importorskip("torch")
pytest.importorskip("transformers")

from espnet_onnx.testing import Conformance, Specimen

Run = Callable[..., tuple[int, str, str]]
QUICK = ("--beam-size", 2, "--threads", 1)


class TestConformance(Conformance):
    plugin = "slu"

    def test_transcripts_on_the_command_line(
        self, specimen: Specimen, tmp_path: Path, run: Run
    ) -> None:
        path = tmp_path / "a.wav"
        noise = np.random.default_rng(2).normal(0, 0.1, 4000)
        soundfile.write(path, noise, 8000, subtype="FLOAT")
        told = ("--transcript", "turn the lights off", "--transcript", "on")
        options = (*QUICK, "--set", "maxlenratio=-6")
        code, out, err = run("transcribe", specimen.bundle, path, path, *told, *options, "--json")
        assert (code, err) == (0, "")
        first, second = json.loads(out)["results"]
        assert first["audio"] == second["audio"] == str(path)
        assert first["score"] != second["score"]
        for wrong, why in (
            ((), "give transcript= (--transcript)"),
            (told, "1 recordings have 2 transcripts: give --transcript once for each"),
            (("--transcript", "on", "--long", "windows"), "of a whole recording: use long=off"),
        ):
            code, out, err = run("transcribe", specimen.bundle, path, *wrong, *QUICK)
            assert (code, out) == (2, "")
            assert why in err
            assert err.count("\n") == 1

    def test_verify_with_a_transcript(self, specimen: Specimen, tmp_path: Path, run: Run) -> None:
        path = tmp_path / "a.wav"
        noise = np.random.default_rng(2).normal(0, 0.1, 2000)
        soundfile.write(path, noise, 8000, subtype="FLOAT")
        told = ("--transcript", "turn the lights off", "--against", specimen.folder)
        code, out, err = run("verify", specimen.bundle, path, *told, *QUICK, "--json")
        assert (code, err) == (0, "")
        rows = {row["precision"]: row for row in json.loads(out)["recordings"]}
        assert rows["fp32"]["verdict"] == "same"
        assert rows["fp32"]["audio"] == str(path)
        assert rows["fp32"]["ids"]
