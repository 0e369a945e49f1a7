"""What the plugin claims and declines, from a config alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import espnet_onnx as eo
import espnet_onnx_plugin_features as plugin
from espnet_onnx.parts.sample_rate import parse_rate

CONF = {
    "fs": 16000,
    "n_fft": 512,
    "win_length": None,
    "hop_length": 128,
    "window": "hann",
    "center": True,
    "normalized": False,
    "onesided": True,
    "n_mels": 80,
    "fmin": None,
    "fmax": None,
    "htk": False,
    "frontend_conf": {"use_wpe": False, "use_beamformer": False},
    "apply_stft": True,
}


def frontend(**conf: Any) -> eo.Component:
    return eo.Component("frontend", "frontend", "default", {**CONF, **conf})


def test_config_of_the_default_frontend() -> None:
    part = plugin.split_modules(frontend(fs="8k", hop_length=80))
    assert part == eo.Part(
        "features.default",
        config={
            "sample_rate": 8000,
            "hop_length": 80,
            "win_length": 512,
            "n_mels": 80,
            "shortest": 257,
        },
    )


def test_without_centring_a_whole_frame_is_needed() -> None:
    part = plugin.split_modules(frontend(center=False))
    assert isinstance(part, eo.Part)
    assert part.config["shortest"] == 512


@pytest.mark.parametrize(
    ("conf", "reason"),
    [
        ({"frontend_conf": {"use_wpe": True}}, "use_wpe"),
        ({"frontend_conf": {"use_beamformer": True}}, "use_beamformer"),
        ({"apply_stft": False}, "apply_stft"),
        ({"onesided": False}, "onesided"),
        ({"fs": "fast"}, "'fast'"),
    ],
)
def test_declines_with_a_reason(conf: dict[str, Any], reason: str) -> None:
    answer = plugin.split_modules(frontend(**conf))
    assert isinstance(answer, eo.Declined)
    assert reason in answer.reason


def test_a_frontend_without_enhancement_is_claimed() -> None:
    assert isinstance(plugin.split_modules(frontend(frontend_conf=None)), eo.Part)


@pytest.mark.parametrize(
    ("fs", "rate"),
    [
        (16000, 16000),
        ("16000", 16000),
        ("16k", 16000),
        ("8K", 8000),
        ("22.05k", 22050),
        ("44.1 kHz", 44100),
        ("16khz", 16000),
        ("k", None),
        ("", None),
    ],
)
def test_sample_rates(fs: int | str, rate: int | None) -> None:
    assert parse_rate(fs) == rate


@pytest.mark.parametrize(
    ("role", "type_", "kind"),
    [
        ("normalize", "global_mvn", "features.global_mvn"),
        ("normalize", "utterance_mvn", "features.utterance_mvn"),
        ("preencoder", "linear", "features.linear"),
    ],
)
def test_transforms(role: str, type_: str, kind: str) -> None:
    assert plugin.split_modules(eo.Component(role, role, type_)) == eo.Part(kind)


@pytest.mark.parametrize(
    ("role", "type_"), [("preencoder", "sinc"), ("frontend", "sliding_window")]
)
def test_sinc_is_declined(role: str, type_: str) -> None:
    assert isinstance(plugin.split_modules(eo.Component(role, role, type_)), eo.Declined)


@pytest.mark.parametrize(
    ("role", "type_"), [("frontend", "s3prl"), ("decoder", "linear"), ("encoder", "default")]
)
def test_leaves_the_rest_to_others(role: str, type_: str) -> None:
    component = eo.Component(role, role, type_)
    assert plugin.split_modules(component) is None
    assert plugin.export_module(component, eo.Part("other.kind")) is None
    assert plugin.build_runtime(eo.Node("", "other.kind", "other"), lambda name: None) is None


def test_claims_and_runtimes_need_no_torch() -> None:
    code = (
        "import sys, espnet_onnx_plugin_features as p;"
        "import espnet_onnx_plugin_features.default_runtime;"
        "import espnet_onnx_plugin_features.transform_runtime;"
        "print(sorted({'torch', 'onnx', 'onnxscript', 'espnet2'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
