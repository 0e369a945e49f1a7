"""A bundle of a PIT model against ESPnet's own inference, and what its results look like."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.export
pytest.importorskip("torch")
pytest.importorskip("espnet2")

import espnet_onnx as eo
from espnet_onnx import loader, sources
from espnet_onnx.errors import InputError
from espnet_onnx.export import export
from espnet_onnx.inference import inference
from espnet_onnx.reference import Recogniser, same_answer
from espnet_onnx.types import Array
from espnet_onnx_plugin_multispeaker.mixture import Mixture

from ...tiny_models import changed, write_model

CONFIG = changed(
    model="pit_espnet",
    model_conf={"ctc_weight": 0.2, "num_inf": 2, "num_ref": 2},
    encoder="transformer_multispkr",
    encoder_conf={"num_inf": 2, "num_blocks_sd": 1},
    ctc_conf={"reduce": False},
)
RATE = 8000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("pit") / "model", CONFIG)


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    bundle = folder.parent / "bundle"
    export(folder, bundle, threads=1)
    return bundle


def recordings() -> list[Array]:
    rng = np.random.default_rng(4)
    return [rng.normal(0, 0.1, n).astype(np.float32) for n in (RATE, 3001, 5555)]


@pytest.mark.parametrize("decoding", [{"beam_size": 3}, {"beam_size": 2, "ctc_weight": 0.9}])
def test_every_speaker_says_what_espnet_hears(
    folder: Path, bundle: Path, decoding: dict[str, Any]
) -> None:
    loaded = loader.load_model(sources.find(folder))
    settings = {"maxlenratio": -12, "ctc_weight": 0.5, **decoding}
    theirs = inference(loaded, nbest=1, **settings)
    want = [
        [tuple(best[0][2]) for best in theirs(samples)]  # (text, tokens, ids, hypothesis)
        for samples in recordings()
    ]
    asr = eo.load(bundle, threads=1)
    alone = [asr(samples, **settings) for samples in recordings()]
    assert [[speaker.ids for speaker in r.speakers] for r in alone] == want
    together = asr.batch(recordings(), **settings)
    assert [[s.ids for s in r.speakers] for r in together] == want
    assert all(len(speakers) == 2 for speakers in want)
    assert any(first != second for first, second in want)


def test_a_mixture_has_a_line_a_speaker(bundle: Path) -> None:
    asr = eo.load(bundle, threads=1)
    result = asr(recordings()[0], beam_size=2, maxlenratio=-6)
    assert isinstance(result, Mixture)
    first, second = result.speakers
    assert result.text == f"{first.text}\n{second.text}"
    assert result.ids == (*first.ids, *second.ids)
    assert result.score == pytest.approx(first.score + second.score)
    assert len(first.token_times) == len(first.ids)
    said = json.loads(json.dumps(result.as_dict()))
    assert [s["text"] for s in said["speakers"]] == [first.text, second.text]
    assert said["duration"] == 1.0


def test_the_command_prints_them(
    bundle: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    path = tmp_path / "mixture.wav"
    soundfile.write(path, recordings()[0], RATE)
    options = ("--beam-size", 2, "--set", "maxlenratio=-6", "--threads", 1)
    code, out, _ = run("transcribe", bundle, path, *options)
    assert code == 0
    assert len(out.rstrip("\n").split("\n")) == 2
    code, out, _ = run("transcribe", bundle, path, *options, "--json")
    (row,) = json.loads(out)["results"]
    assert len(row["speakers"]) == 2


def test_a_mixture_is_not_cut(bundle: Path) -> None:
    asr = eo.load(bundle, threads=1)
    samples, options = recordings()[0], {"beam_size": 1, "maxlenratio": -3}
    whole = asr.transcribe(samples, long="off", **options)
    assert whole == asr(samples, **options)
    with pytest.raises(InputError, match=r"second in the next: use long=off"):
        asr.transcribe(samples, long="windows", **options)


def test_verify_hears_every_speaker(
    folder: Path, bundle: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    path = tmp_path / "mixture.wav"
    soundfile.write(path, recordings()[1], RATE, subtype="FLOAT")
    options = ("--against", folder, "--beam-size", 2, "--threads", 1)
    code, out, err = run("verify", bundle, path, *options, "--json")
    assert (code, err) == (0, "")
    (row,) = json.loads(out)["recordings"]
    assert (row["verdict"], row["ours"]) == ("same", row["espnet"])
    assert row["espnet"].count("\n") == 1


def test_other_words_of_a_speaker_are_different(folder: Path) -> None:
    espnet = Recogniser(loader.load_model(sources.find(folder)), beam_size=2, maxlenratio=-6)
    want = espnet(recordings()[1])
    assert want.speakers == 2
    assert same_answer(espnet, recordings()[1], want.ids, want) == "same"
    assert same_answer(espnet, recordings()[1], want.ids[1:], want) == "different"
