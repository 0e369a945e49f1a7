"""Entry points `espnet_onnx.building`: what plugins add while ESPnet builds a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from .fake_plugins import install_plugin

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet_onnx import isolation, loader
from espnet_onnx.errors import ModelError

ADDS = """
from contextlib import contextmanager

@contextmanager
def add():
    from espnet2.asr.encoder.transformer_encoder import TransformerEncoder
    from espnet2.tasks.asr import encoder_choices

    encoder_choices.classes["addition"] = TransformerEncoder
    try:
        yield
    finally:
        del encoder_choices.classes["addition"]
"""
CONFIG = {
    "token_list": ["<blank>", "<unk>", "a", "<sos/eos>"],
    "input_size": 8,
    "frontend": None,
    "normalize": None,
    "encoder": "addition",
    "encoder_conf": {
        "input_layer": "linear",
        "output_size": 8,
        "attention_heads": 1,
        "linear_units": 8,
        "num_blocks": 1,
    },
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 1, "linear_units": 8, "num_blocks": 1},
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("ESPNET_ONNX_RAISE", raising=False)
    return tmp_path


def install(site: Path, name: str, code: str) -> None:
    # Modules stay imported: each test has its own.
    distribution = f"{name}-{site.name.replace('_', '-')}"
    module = distribution.replace("-", "_")
    options = {"group": isolation.GROUP, "target": f"{module}:add", "distribution": distribution}
    install_plugin(site, name, code, **options)


def choices() -> dict[str, type]:
    from espnet2.tasks.asr import encoder_choices

    return dict(encoder_choices.classes)


def test_a_class_of_a_plugin_is_built_and_forgotten(site: Path) -> None:
    before = choices()
    with pytest.raises(ModelError, match="encoder = 'addition'"):
        loader.build_model(CONFIG, "asr")
    install(site, "addition", ADDS)
    model, config = loader.build_model(CONFIG, "asr")
    assert type(model.encoder).__name__ == "TransformerEncoder"
    assert config["encoder"] == "addition"
    assert choices() == before


def test_it_is_forgotten_after_a_failure_too(site: Path) -> None:
    before = choices()
    install(site, "addition", ADDS)
    with pytest.raises(ModelError):
        loader.build_model({**CONFIG, "encoder_conf": {"output_size": -1}}, "asr")
    assert choices() == before


BROKEN = {
    "import": ("import not_there_at_all", "not_there_at_all"),
    "nothing": ("", "has no attribute 'add'"),
    "call": ("def add():\n    raise KeyError('oops')", "KeyError: 'oops'"),
    "no_context": ("def add():\n    return 3", "TypeError"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_that_fails_is_passed_over(
    name: str, site: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, word = BROKEN[name]
    install(site, name, code)
    install(site, "addition", ADDS)
    with isolation.without_downloads():
        assert "addition" in choices()
    (line,) = [r.getMessage() for r in caplog.records if r.name == "espnet_onnx"]
    assert line.startswith(f"espnet_onnx.building of plugin {name} skipped: ")
    assert word in line
    monkeypatch.setenv("ESPNET_ONNX_RAISE", "1")
    with pytest.raises((ImportError, AttributeError, KeyError, TypeError)):
        isolation.without_downloads().__enter__()


def test_no_inference_of_a_reference_drops_out() -> None:
    ones = torch.ones(100)
    with isolation.without_dropout():
        assert torch.equal(torch.nn.functional.dropout(ones, 0.9), ones)
    assert not torch.equal(torch.nn.functional.dropout(ones, 0.9), ones)
