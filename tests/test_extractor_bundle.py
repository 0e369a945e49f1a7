"""A frontend's bundle as users meet it: verified and timed against the live frontend alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import espnet_onnx
from espnet_onnx.errors import InputError

from .tiny_models import changed, write_model

pytestmark = pytest.mark.export

RATE = 8000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Path:
    return tiny_model


@pytest.fixture(scope="module")
def bundle(tiny_frontend: Path) -> Path:
    return tiny_frontend


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stereo and of another rate, so that both sides hear what was made of it."""
    path = tmp_path_factory.mktemp("audio") / "noise.wav"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2 * RATE, 2))
    soundfile.write(path, noise, 2 * RATE)
    return path


def test_verify_compares_features(run: Run, bundle: Path, model: Path, audio: Path) -> None:
    code, out, _ = run("verify", bundle, audio, "--against", model, "--threads", 1, "--json")
    report = json.loads(out)
    assert (code, report["passed"], report["recordings"]) == (0, True, [])
    assert [g["graph"] for g in report["graphs"]] == ["frontend.frontend"]
    (check,) = report["features"]
    assert check["frames"] == check["espnet_frames"] == RATE // 64 + 1
    assert check["difference"] < 1e-4 and check["cosine"] > 0.9999


def test_verify_sees_other_features(
    run: Run, bundle: Path, model: Path, audio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from espnet_onnx.reference import Features

    honest = Features.__call__
    monkeypatch.setattr(Features, "__call__", lambda self, speech: honest(self, speech) + 0.01)
    code, out, _ = run("verify", bundle, audio, "--against", model, "--threads", 1)
    assert code == 1 and out.rstrip().endswith("failed")
    assert "noise.wav" in out and "126     126" in out


def test_the_reference_takes_padded_batches(model: Path) -> None:
    from espnet_onnx import Component, components, loader, sources
    from espnet_onnx.reference import Features

    loaded = loader.load_model(sources.find(model))
    frontend = loaded.model.frontend
    features = Features(Component("frontend", "frontend", "default", module=frontend))
    waves = [np.random.default_rng(n).random(n, np.float32) for n in (4000, 1234)]
    together = features.batch(waves)
    assert [len(feats) for feats in together] == [63, 20]
    for wave, feats in zip(waves, together, strict=True):
        np.testing.assert_allclose(features(wave)[:19], feats[:19], atol=1e-5)
    root, _ = components.root(loaded.config, module=loaded.model, task=loaded.task)
    with pytest.raises(
        InputError, match=r"no features from a model of the task asr: compare its graphs"
    ):
        Features(root)


def test_bench_times_the_frontend_alone(bundle: Path, model: Path) -> None:
    from espnet_onnx.bench import Side, bench

    sides = [
        Side("ESPnet", "espnet", str(model), features="frontend"),
        Side("fp32", "bundle", str(bundle)),
    ]
    waves = [np.zeros(4000, np.float32), np.ones(2000, np.float32)]
    result = bench(sides, {"a": waves}, threads=1, rounds=1, warm_up=0, memory=False)
    rows = result["inputs"]["a"]["sides"]
    assert result["inputs"]["a"]["samples"] == 6000
    assert [rows[side]["frames"] for side in ("ESPnet", "fp32")] == [[63, 32], [63, 32]]
    assert rows["fp32"]["times_faster"] > 0 and rows["ESPnet"]["times_faster"] == 1
    assert "tokens" not in rows["fp32"] and "texts" not in rows["fp32"]


def test_bench_prints_a_table(
    run: Run, bundle: Path, audio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from espnet_onnx import bench

    seen: list[bench.Side] = []

    def stub(sides: list[bench.Side], inputs: object, **_: object) -> dict[str, object]:
        seen.extend(sides)
        row = {"median_s": 0.1, "quartiles_s": [0.1, 0.1], "frames": [126]}
        timed = {"samples": RATE, "sides": {side.name: row for side in sides}}
        return {"inputs": {str(audio): timed}}

    monkeypatch.setattr(bench, "bench", stub)
    code, out, err = run("bench", bundle, audio, "--against", "model", "--threads", 1)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["noise.wav", "espnet"],
        ["noise.wav", "fp32"],
    ]
    assert [(s.side, s.features) for s in seen] == [("espnet", "frontend"), ("bundle", None)]


def test_another_models_frontend_is_refused(
    bundle: Path, tmp_path: Path, audio: Path, run: Run
) -> None:
    other = write_model(tmp_path / "other", changed(frontend_conf={"n_mels": 20}))
    code, out, _ = run("verify", bundle, audio, "--against", other, "--threads", 1)
    assert code != 0 and "passed" not in out


def test_features_are_no_words(run: Run, bundle: Path, audio: Path) -> None:
    code, _, err = run("transcribe", bundle, audio)
    assert code == 2 and "this bundle extracts features: use espnet-onnx dump" in err
    with pytest.raises(InputError, match="does not recognise speech"):
        espnet_onnx.Speech2Text(model_dir=bundle)
