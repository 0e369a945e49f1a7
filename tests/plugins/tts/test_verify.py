"""verify and bench of a model that speaks, beside ESPnet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet_onnx import cli
from espnet_onnx.testing import TinyModel, write_model
from espnet_onnx_plugin_tts.tiny import VITS

TEXT = "no tea. is it so"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("m") / "vits"
    return write_model(TinyModel("vits", VITS, task="gan_tts"), folder)


@pytest.fixture(scope="module")
def bundle(model: Path) -> Iterator[Path]:
    from espnet_onnx.export import export

    folder = model.with_name("bundle")
    export(model, folder, precision=("fp32", "int8"), keep_slower=True, threads=1)
    yield folder
    shutil.rmtree(folder)


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(map(str, arguments)))
    return (ended.value.code or 0, *capsys.readouterr())  # type: ignore[return-value]


def test_verify_speaks_with_espnet(
    model: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--against", model, "--sid", 2, "--seed", 5, "--threads", 1)
    code, out, _ = run(capsys, "verify", bundle, TEXT, *given, "--json")
    report = json.loads(out)
    assert (code, report["passed"], report["recordings"]) == (0, True, [])
    fp32, int8 = report["speech"]
    assert (fp32["precision"], int8["precision"]) == ("fp32", "int8")
    assert fp32["same_tokens"] and fp32["same_durations"] and fp32["difference"] < 1e-3
    assert fp32["seconds"] == fp32["espnet_seconds"] > 0 and fp32["snr"] > 60
    assert 0 < int8["snr"] <= fp32["snr"] and int8["same_durations"]


def test_verify_hears_another_voice(
    model: Path,
    bundle: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from espnet_onnx.speaker import Speaker

    honest = Speaker.say

    def other(self: Speaker, text: Any, voice: Any, settings: Any) -> Any:
        return honest(self, text, {**voice, "sids": 3}, settings)

    monkeypatch.setattr(Speaker, "say", other)
    given = ("--against", model, "--sid", 2, "--threads", 1)
    code, out, _ = run(capsys, "verify", bundle, TEXT, *given)
    assert code == 1 and out.endswith("failed\n") and "durations" in out


def test_bench_times_whole_and_first_sound(model: Path, bundle: Path) -> None:
    import espnet_onnx
    from espnet_onnx.bench import Side
    from espnet_onnx.bench_speech import bench_speech, steady
    from espnet_onnx.parts.somebody import somebody

    tts = espnet_onnx.load(bundle, threads=1)
    voice = somebody(tts, {"sids": 1})
    said = steady(tts, TEXT, voice, alpha=1.5)
    assert said.settings["noise_scale_dur"] == 0 and said.settings["alpha"] == 1.5
    sides = [Side("espnet", "espnet", str(model)), Side("fp32", "bundle", str(bundle))]
    ways = {"threads": 1, "rounds": 2, "warm_up": 0, "memory": False}
    result = bench_speech(sides, {"a": said}, tts.sample_rate, voice, **ways)
    espnet, fp32 = result["inputs"]["a"]["sides"].values()
    assert espnet["audio_s"] == fp32["audio_s"] > 0 and espnet["times_faster"] == 1
    assert fp32["times_faster"] > 0 and "first" not in espnet
    assert fp32["first"]["median_s"] > 0 and fp32["first"]["times_sooner"] > 0
    assert any("flow" in graph for graph in fp32["profile"])
    json.dumps(result)


def test_lengths_are_forced_where_a_model_stops_by_itself() -> None:
    from types import SimpleNamespace

    from espnet_onnx.bench_speech import steady

    @attrs.frozen
    class Stub:
        settings = SimpleNamespace(options={"threshold": 0.5, "minlenratio": 0, "maxlenratio": 10})
        vocoder = SimpleNamespace(hop=4)

        def __call__(self, text: Any, **_given: Any) -> Any:
            return SimpleNamespace(wave=np.zeros(4 * 37), ids=[1] * 8)

    settings = steady(Stub(), [1] * 8, {}).settings  # type: ignore[arg-type]
    assert settings["minlenratio"] == settings["maxlenratio"]
    assert int(9 * settings["minlenratio"]) == 37


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("bench", "speech.wav"), "speech.wav is a recording: give texts"),
        (("bench", TEXT, "--beam-size", 3), "this bundle speaks: leave --beam-size out"),
        (("bench", TEXT, "--sid", 9), "sids is 9, this model knows 0 to 3"),
        (("verify", "speech.flac"), "speech.flac is a recording: give texts"),
    ],
)
def test_what_does_not_fit_is_one_line(
    model: Path,
    bundle: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[Any, ...],
    problem: str,
) -> None:
    command, *rest = arguments
    code, out, err = run(capsys, command, bundle, *rest, "--against", model, "--threads", 1)
    assert (code, out) == (2, "") and problem in err and err.count("\n") == 1
