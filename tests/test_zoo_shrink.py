"""tools/zoo_shrink.py: sizes go, architectures stay."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from espnet_onnx.catalog import Catalog

CONFIG: dict[str, Any] = {
    "encoder": "conformer",
    "encoder_conf": {
        "output_size": 512,
        "attention_heads": 8,
        "linear_units": 2048,
        "num_blocks": 12,
        "cnn_module_kernel": 31,
        "interctc_layer_idx": [6, 9],
        "dropout_rate": 0.1,
    },
    "decoder": "transformer",
    "decoder_conf": {"num_blocks": 6, "attention_heads": 8},
    "model_conf": {"ctc_weight": 0.3},
}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).parents[1] / "tools/zoo_shrink.py"
    spec = importlib.util.spec_from_file_location("zoo_shrink", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _digest(tool: ModuleType, **changed: Any) -> str:
    encoder = {**CONFIG["encoder_conf"], **changed.pop("encoder_conf", {})}
    config = {**CONFIG, **changed, "encoder_conf": encoder}
    return str(tool.shrink(config, "asr", Catalog.load()).digest)


def test_only_sizes_change(tool: ModuleType) -> None:
    small = tool.shrink(CONFIG, "asr", Catalog.load()).config
    assert small["encoder_conf"] == {
        **CONFIG["encoder_conf"],
        "output_size": 128,
        "attention_heads": 4,
        "linear_units": 256,
        "num_blocks": 2,
        "interctc_layer_idx": [1],
    }
    # The default of 2048 shrinks too.
    assert small["decoder_conf"] == {"num_blocks": 1, "attention_heads": 4, "linear_units": 256}


@pytest.mark.parametrize(
    "changed",
    [
        {"encoder_conf": {"output_size": 256, "num_blocks": 17, "dropout_rate": 0.2}},
        {"encoder_conf": {"macaron_style": False}},
        {"model_conf": {"ctc_weight": 0.5, "lsm_weight": 0.1}},
        {"optim": "adamw"},
    ],
)
def test_sizes_defaults_and_training_make_no_other_model(
    tool: ModuleType, changed: dict[str, Any]
) -> None:
    assert _digest(tool, **changed) == _digest(tool)


@pytest.mark.parametrize(
    "changed",
    [
        {"encoder_conf": {"cnn_module_kernel": 15}},
        {"encoder_conf": {"rel_pos_type": "latest"}},
        {"model_conf": {"ctc_weight": 1.0}},
        {"normalize": "utterance_mvn"},
        {"frontend_conf": {"hop_length": 160}},
    ],
)
def test_other_architectures_are_other_models(tool: ModuleType, changed: dict[str, Any]) -> None:
    assert _digest(tool, **changed) != _digest(tool)


def test_a_foreign_frontend_gives_way(tool: ModuleType) -> None:
    config = {**CONFIG, "frontend": "fused", "frontend_conf": {"frontends": []}}
    config |= {"preencoder": "linear", "preencoder_conf": {"input_size": 1024, "output_size": 80}}
    shrunken = tool.shrink(config, "asr", Catalog.load())
    assert shrunken.replaced == "fused"
    assert shrunken.config["frontend"] == "default"
    assert shrunken.config["preencoder_conf"] == {"input_size": 80, "output_size": 80}


def test_of_a_self_supervised_model_only_a_layer_is_shrunken(tool: ModuleType) -> None:
    """Its sizes are not in the config."""
    conf = {"frontend_conf": {"upstream": "wavlm_large"}, "layer": 21, "download_dir": "./hub"}
    config = {**CONFIG, "frontend": "s3prl", "frontend_conf": conf}
    shrunken = tool.shrink(config, "asr", Catalog.load())
    assert shrunken.replaced is None
    assert shrunken.config["frontend_conf"] == {**conf, "layer": 1}
    elsewhere = {**config, "frontend_conf": {**conf, "download_dir": "/elsewhere"}}
    assert tool.shrink(elsewhere, "asr", Catalog.load()).digest == shrunken.digest
    last = {**config, "frontend_conf": {**conf, "layer": -1}}
    assert tool.shrink(last, "asr", Catalog.load()).digest != shrunken.digest
