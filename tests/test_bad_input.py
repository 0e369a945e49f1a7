"""Bad input: exit code 2, one line that says what, why and what to do, and nothing written."""

from __future__ import annotations

import errno
import importlib.util
import io
import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

import espnet_onnx
from espnet_onnx import runtime
from espnet_onnx.errors import CheckFailed, InputError

from .tiny_models import TINY, changed

pytestmark = pytest.mark.export

RATE = 8000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def refused(run: Run, tmp_path: Path) -> Callable[..., str]:
    """Run a command line that must be refused; the line on stderr."""

    def refused(*arguments: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1, err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return refused


def noise(samples: int = RATE, channels: int = 1) -> Any:
    shape = (samples, channels) if channels > 1 else samples
    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


def wav(path: Path, samples: Any, rate: int = RATE, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


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


def changed_manifest(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), "utf-8")


def cut(bundle: Path) -> None:
    path = bundle / "graphs/encoder.fp32.onnx"
    path.write_bytes(path.read_bytes()[:-100])


def flip(bundle: Path) -> None:
    path = bundle / "graphs/encoder.fp32.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def old_bundle(bundle: Path) -> None:
    shutil.rmtree(bundle)
    (bundle / "full").mkdir(parents=True)
    (bundle / "config.yaml").write_text("encoder: {}")
    (bundle / "full/encoder.onnx").touch()


def stranger(manifest: dict[str, Any]) -> None:
    manifest["plugins"]["mega"] = {"distribution": "espnet-onnx-plugin-mega", "version": "1"}


BUNDLES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (shutil.rmtree, "no such bundle"),
    "truncated": (cut, "graphs/encoder.fp32.onnx is damaged"),
    "flipped_byte": (flip, "graphs/encoder.fp32.onnx is damaged"),
    "lost_file": (lambda b: (b / "graphs/ctc.fp32.onnx").unlink(), "graphs/ctc.fp32.onnx is miss"),
    "no_manifest": (lambda b: (b / "manifest.json").unlink(), "not a bundle"),
    "cut_manifest": (lambda b: (b / "manifest.json").write_text("{"), "manifest is damaged"),
    "espnet_onnx_0.2.1": (old_bundle, "made by espnet_onnx 0.2: export the ESPnet model again"),
    "newer_format": (
        lambda b: changed_manifest(b, lambda m: m.update(format=99)),
        "bundle format 99",
    ),
    "missing_plugin": (
        lambda b: changed_manifest(b, stranger),
        "plugin mega is not installed: pip install espnet-onnx-plugin-mega",
    ),
    "path_out_of_it": (
        lambda b: changed_manifest(
            b, lambda m: m["files"].update({"../x": {"size": 1, "sha256": ""}})
        ),
        "leaves the bundle",
    ),
}


@pytest.mark.parametrize("kind", BUNDLES)
def test_bundle(kind: str, refused: Callable[..., str], tmp_path: Path, tiny_bundle: Path) -> None:
    make, why = BUNDLES[kind]
    bundle = tmp_path / "b"
    shutil.copytree(tiny_bundle, bundle)
    make(bundle)
    line = refused("transcribe", bundle, wav(tmp_path / "a.wav", noise()))
    assert why in line
    assert str(bundle) in line


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


def test_settings_that_a_model_cannot_follow(
    refused: Callable[..., str], tmp_path: Path, tiny_bundle: Path
) -> None:
    path = wav(tmp_path / "a.wav", noise())
    for child, weight, why in (
        ("decoder", 0.3, "no attention decoder: use ctc_weight=1"),
        ("ctc", 0.3, "no CTC: use ctc_weight=0"),
    ):
        bundle = tmp_path / child
        shutil.copytree(tiny_bundle, bundle)
        changed_manifest(bundle, lambda m, child=child: m["tree"]["children"].pop(child))
        assert why in refused("transcribe", bundle, path, "--ctc-weight", weight)


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


def test_a_recording_without_a_name(refused: Callable[..., str], tiny_bundle: Path) -> None:
    assert "a recording's name is empty" in refused("transcribe", tiny_bundle, "")


def test_a_bundle_that_reads_no_recordings(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = SimpleNamespace(batch=lambda texts, **options: texts)
    monkeypatch.setattr(runtime, "load", lambda *given, **options: translator)
    assert "b: this bundle does not recognise speech" in refused("transcribe", "b", "a.wav")
    assert "b: this bundle does not stream speech" in refused("stream", "b", "a.wav")


def test_a_model_that_cannot_stream(refused: Callable[..., str], tiny_bundle: Path) -> None:
    line = refused("stream", tiny_bundle, "a.wav")
    assert "this model's encoder cannot stream: recognise whole recordings" in line
    line = refused("stream", tiny_bundle, "a.wav", "--rate", 8000)
    assert "a.wav: states its own sample rate: --rate is for standard input" in line


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


def model(folder: Path, config: Any = TINY, **files: Any) -> Path:
    """A model folder without weights that fit."""
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    for name, content in files.items():
        (folder / f"{name}.pth").write_bytes(content)
    return folder


def with_weights(folder: Path, tiny_model: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    import torch

    state = torch.load(tiny_model / "valid.acc.ave.pth", weights_only=True)
    change(state)
    torch.save(state, model(folder) / "model.pth")
    return folder


def with_code(folder: Path) -> Path:
    import torch

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (folder / "ran",))

    torch.save({"x": Evil()}, model(folder) / "model.pth")
    return folder


def climbing_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.yaml", "{}")
        archive.writestr("../evil", "x")
    return path


def plain_file(path: Path) -> Path:
    path.write_text("x")
    return path


def empty_folder(path: Path) -> Path:
    path.mkdir()
    return path


FASTSPEECH = {"tts": "fastspeech2", "tts_conf": {}, "token_list": ["a"], "feats_extract": "fbank"}
MODELS: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "missing": (lambda p: p, ["no such file or folder"]),
    "empty_folder": (empty_folder, ["has neither meta.yaml nor config.yaml"]),
    "no_zip": (plain_file, ["is not a zip"]),
    "climbing_zip": (climbing_zip, ["../evil", "leads out of the folder"]),
    "no_weights": (model, ["has a config but no weights"]),
    "unknown_encoder": (
        lambda p: model(p, changed(encoder="megaformer"), model=b"x"),
        ["encoder (role encoder, type megaformer) is claimed by no plugin", "asked: asr_transf"],
    ),
    "tts": (
        lambda p: model(p, FASTSPEECH, model=b"x"),
        ["role model, type tts", "claimed by no plugin", "asked: asr_transformer"],
    ),
    "broken_config": (lambda p: model(p, ["x"], model=b"x"), ["not a mapping"]),
    "damaged_weights": (lambda p: model(p, model=b"damaged"), ["damaged or not a checkpoint"]),
    "empty_weights": (lambda p: model(p, model=b""), ["is empty"]),
    "code_in_weights": (with_code, ["would run code when read", "refused"]),
}


@pytest.mark.parametrize("kind", MODELS)
def test_model(
    kind: str,
    refused: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("ESPNET_ONNX_CACHE", str(tmp_path_factory.mktemp("cache")))
    make, whys = MODELS[kind]
    line = refused("export", make(tmp_path / "m"), "-o", tmp_path / "b")
    assert [why for why in whys if why not in line] == []


def test_weights_that_do_not_fit(
    refused: Callable[..., str], tmp_path: Path, tiny_model: Path
) -> None:
    key = "ctc.ctc_lo.bias"
    for n, (change, why) in enumerate(
        (
            (lambda state: state.pop(key), f"lacks 1 key ({key})"),
            (lambda state: state.update(mine=state[key]), "has unknown 1 key (mine)"),
            (lambda state: state.update({key: state[key][:3]}), f"{key} has shape [3]"),
        )
    ):
        folder = with_weights(tmp_path / f"m{n}", tiny_model, change)
        assert why in refused("export", folder, "-o", tmp_path / "b")


OPTIONS = {
    "--precision fp16": "precision fp16: use fp32, int8 or both",
    "--task singing": "task 'singing' is unknown; --task takes one of aqa, asr, ",
    "--prefer mega": "no plugin is called 'mega'; installed: asr_transformer, ",
    "--without mega": "no plugin is called 'mega'",
    "--role vocoder": "no component of role 'vocoder': it has ctc, decoder, ",
}


@pytest.mark.parametrize("options", OPTIONS)
def test_export_option(
    options: str, refused: Callable[..., str], tmp_path: Path, tiny_model: Path
) -> None:
    line = refused("export", tiny_model, "-o", tmp_path / "b", *options.split())
    assert OPTIONS[options] in line


COMPANIONS = {
    "--lm lm": "has 2 tokens, the model 8: give one of the model's own vocabulary",
    "--lm lm/config.yaml": "config.yaml: is a config without weights: give ",
    "--lm lm/config.yaml:none.pth": "none.pth: no such file, which the language model needs",
    "--lm lm/config.yaml:": "lm/config.yaml:: no such file or folder",
    "--lm none.yaml:lm/x.pth": "none.yaml: no such file, which the language model needs",
    "--ngram none.arpa": "none.arpa: no such file: give the n-gram's ARPA file or kenlm binary",
    "--ngram lm/config.yaml": "config.yaml: is no n-gram: give an ARPA file or a kenlm binary",
}


@pytest.mark.parametrize("options", COMPANIONS)
def test_companion(
    options: str,
    refused: Callable[..., str],
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = ["a", "b"] if options == "--lm lm" else TINY["token_list"]
    config = {"token_list": tokens, "lm": "seq_rnn", "lm_conf": {"unit": 8}}
    model(tmp_path / "lm", config)
    monkeypatch.chdir(tmp_path)
    line = refused("export", tiny_model, "-o", tmp_path / "b", *options.split())
    assert COMPANIONS[options] in line


def test_output_that_cannot_be_written(
    refused: Callable[..., str], tmp_path: Path, tiny_model: Path
) -> None:
    folder, file = empty_folder(tmp_path / "folder"), plain_file(tmp_path / "file")
    assert "exists: give another name or --overwrite" in refused("export", tiny_model, "-o", folder)
    assert "exists: give another name" in refused("export", tiny_model, "-o", file, "--overwrite")
    assert "cannot be written" in refused("export", tiny_model, "-o", file / "b")


def test_export_without_the_extra(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a)
    )
    for command in (
        ["export", "m", "-o", tmp_path / "b"],
        ["verify", tiny_bundle, "--against", "m"],
        ["demo"],
    ):
        line = refused(*command)
        assert line == "error: torch is not installed: install espnet-onnx with its export extra\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left"), 2, "writing failed (No space left): nothing is l"),
        (CheckFailed("parity failed: encoder"), 1, "error: parity failed: encoder"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_export_that_ends_early_leaves_nothing(
    run: Run,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    said: str,
) -> None:
    from espnet_onnx import export

    def write_node(claim: Any, builder: Any) -> None:
        (builder.folder / "half").touch()
        raise error

    monkeypatch.setattr(export, "_write_node", write_node)
    ended, out, err = run("export", tiny_model, "-o", tmp_path / "b")
    assert (ended, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_the_library_raises_the_same(tiny_bundle: Path) -> None:
    with pytest.raises(InputError, match="no search setting is called 'beams'"):
        espnet_onnx.load(tiny_bundle, beams=3)
    asr = espnet_onnx.load(tiny_bundle)
    with pytest.raises(InputError, match=r"nothing\.wav: no such file"):
        asr("nothing.wav")
    with pytest.raises(InputError, match="integers given as floats"):
        asr(30000 * noise())


def test_verify_against_another_model(
    refused: Callable[..., str], tmp_path: Path, tiny_bundle: Path
) -> None:
    from .tiny_models import write_model

    other = write_model(tmp_path / "m", changed(normalize="utterance_mvn"))
    line = refused("verify", tiny_bundle, "--against", other)
    assert "give the model that the bundle was made from" in line
