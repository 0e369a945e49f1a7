"""Bundles that cannot be run, or not so: exit code 2 and a line; nothing is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espnet_onnx import runtime

from ..tiny_models import changed
from .inputs import changed_manifest, noise, wav

pytestmark = pytest.mark.export


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
    line = refused("stream", tiny_bundle, "a.wav", "--set", "sample_rate=8000")
    assert "--set sample_rate: is no search setting: give --rate" in line


def test_verify_against_another_model(
    refused: Callable[..., str], tmp_path: Path, tiny_bundle: Path
) -> None:
    from ..tiny_models import write_model

    other = write_model(tmp_path / "m", changed(normalize="utterance_mvn"))
    line = refused("verify", tiny_bundle, "--against", other)
    assert "give the model that the bundle was made from" in line
