"""tools/zoo_shrink.py: sizes go, architectures stay. tools/zoo_text.py: how a model reads."""

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


VITS: dict[str, Any] = {
    "tts": "vits",
    "tts_conf": {
        "generator_params": {
            "hidden_channels": 192,
            "spks": 108,
            "decoder_channels": 512,
            "decoder_upsample_scales": [8, 8, 2, 2, 2],
            "flow_flows": 4,
            "text_encoder_dropout_rate": 0.1,
        },
        "discriminator_params": {"channels": 1024},
        "lambda_mel": 45.0,
    },
}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return _loaded("zoo_shrink")


def _loaded(name: str) -> ModuleType:
    path = Path(__file__).parents[1] / f"tools/{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
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


def test_a_model_that_speaks_is_made_with_its_own_frames(tool: ModuleType) -> None:
    small = tool.shrink(VITS, "gan_tts", Catalog.load()).config
    assert small["feats_extract"] == "linear_spectrogram"
    assert small["feats_extract_conf"]["hop_length"] == 8 * 8 * 2 * 2 * 2
    assert small["tts_conf"]["generator_params"] == {
        **VITS["tts_conf"]["generator_params"],
        "hidden_channels": 128,
        "spks": 8,
        "decoder_channels": 64,
        "flow_flows": 2,
    }
    assert small["tts_conf"]["discriminator_params"]["channels"] < 8


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"spks": 2000, "text_encoder_dropout_rate": 0.5, "hidden_channels": 256}, True),
        ({"spks": -1}, False),
        ({"spk_embed_dim": 512}, False),
        ({"decoder_upsample_scales": [8, 8, 2, 2]}, False),
    ],
)
def test_models_that_speak_alike(tool: ModuleType, changed: dict[str, Any], same: bool) -> None:
    conf = VITS["tts_conf"]
    other = {**conf, "generator_params": {**conf["generator_params"], **changed}, "lambda_mel": 1.0}
    both = [
        tool.shrink({**VITS, "tts_conf": c}, "gan_tts", Catalog.load()).digest
        for c in (conf, other)
    ]
    assert (both[0] == both[1]) == same


@pytest.mark.parametrize(
    ("name", "config", "want", "extras"),
    [
        (
            "a_b_train_vits_raw_phn_tacotron_espeak_ng_english_us_vits_train.ave",
            {},
            ("phn", "tacotron", "espeak_ng_english_us_vits"),
            ["text-en", "text-espeak"],
        ),
        (
            "a_raw_phn_jaconv_pyopenjtalk_accent_with_pause_train.loss.ave",
            {},
            ("phn", "jaconv", "pyopenjtalk_accent_with_pause"),
            ["text-ja"],
        ),
        ("a_raw_phn_null_g2pk_train", {}, ("phn", "-", "g2pk"), ["text-ko"]),
        ("a_raw_phn_none_train", {}, ("phn", "-", "-"), []),
        (
            "a",
            {"token_type": "char", "cleaner": "vietnamese"},
            ("char", "vietnamese", "-"),
            ["text-vi"],
        ),
    ],
)
def test_how_a_model_reads(
    name: str, config: dict[str, Any], want: tuple[str, str, str], extras: list[str]
) -> None:
    tool = _loaded("zoo_text")
    read = tool.reading(name, config)
    assert (read.token_type, read.cleaner, read.g2p) == want
    assert tool.needs(read) == extras
