"""The catalog of ESPnet's choices and defaults, and the data files behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from espnet_onnx.catalog import Catalog
from espnet_onnx.errors import ModelError

GENERATOR = Path(__file__).parents[1] / "tools/generate_catalog.py"
EVERY_TASK = [(v, t) for v in Catalog.versions() for t in Catalog.load(v).tasks()]


@pytest.fixture
def catalog() -> Catalog:
    return Catalog.load("202511")


@pytest.mark.parametrize(
    ("stated", "version"),
    [
        (None, "202611"),
        ("202611", "202611"),
        (202511, "202511"),
        ("202604", "202511"),
        ("203001", "202611"),
        ("0.10.3a2", "202511"),
        ("None", "202511"),
    ],
)
def test_version_is_the_nearest(stated: object, version: str) -> None:
    assert Catalog.load(stated).version == version


def test_choices_name_types_and_default(catalog: Catalog) -> None:
    encoder = catalog.choices("asr")["encoder"]
    assert encoder.default == "rnn"
    assert {"conformer", "e_branchformer"} <= set(encoder.types)
    decoder = catalog.choices("asr")["decoder"]
    assert (decoder.default, decoder.optional) == (None, True)
    assert catalog.task_class("s2t_ctc") == "espnet2.tasks.s2t_ctc.S2TTask"
    assert catalog.models("st") == ("ESPnetSTModel",)


def test_training_config_becomes_full(catalog: Catalog) -> None:
    config = {"encoder": "conformer", "encoder_conf": {"num_blocks": 2}, "ctc_conf": {"reduce": 0}}
    full = catalog.fill("asr", config)
    assert full["normalize"] == "utterance_mvn"
    assert full["encoder_conf"]["num_blocks"] == 2
    assert full["encoder_conf"]["output_size"] == 256
    assert full["frontend_conf"]["hop_length"] == 128
    assert full["model_conf"]["ctc_weight"] == 0.5
    assert full["ctc_conf"] == {**catalog.conf("asr", "ctc", None), "reduce": 0}
    assert (full["decoder"], full["decoder_conf"], full["joint_net_conf"]) == (None, {}, None)
    assert config == {
        "encoder": "conformer",
        "encoder_conf": {"num_blocks": 2},
        "ctc_conf": {"reduce": 0},
    }


def test_words_are_read_as_espnets_parser_reads_them(catalog: Catalog) -> None:
    full = catalog.fill(
        "asr",
        {"encoder": "Conformer", "normalize": "None", "bpemodel": "none", "token_type": "char"},
    )
    assert (full["encoder"], full["normalize"], full["bpemodel"]) == ("conformer", None, None)
    assert full["normalize_conf"] == {}


def test_defaults_do_not_leak_between_fills(catalog: Catalog) -> None:
    catalog.fill("asr", {})["frontend_conf"]["frontend_conf"]["use_wpe"] = "changed"
    catalog.conf("asr", "ctc", None)["reduce"] = "changed"
    catalog.fill("asr", {})["aux_ctc_tasks"].append("changed")
    full = catalog.fill("asr", {})
    assert full["frontend_conf"]["frontend_conf"]["use_wpe"] is False
    assert full["ctc_conf"]["reduce"] is True
    assert full["aux_ctc_tasks"] == []


def test_a_given_size_removes_what_it_replaces(catalog: Catalog) -> None:
    full = catalog.fill("asr", {"input_size": 80, "frontend_conf": {"fs": "8k"}})
    assert (full["frontend"], full["frontend_conf"]) == (None, {})
    assert catalog.fill("tts", {"odim": 80})["feats_extract"] is None


def test_transducer_and_conf_names_of_their_own(catalog: Catalog) -> None:
    joint = catalog.fill(
        "asr", {"decoder": "transducer", "joint_net_conf": {"joint_space_size": 8}}
    )
    assert joint["decoder_conf"]["rnn_type"] == "lstm"
    assert "embed_pad" not in joint["decoder_conf"]  # ASRTask.build_model passes it itself
    assert joint["joint_net_conf"]["joint_space_size"] == 8
    assert joint["joint_net_conf"]["joint_activation_type"] == "tanh"
    assert catalog.conf_key("svs", "model_type") == "model_conf"
    assert catalog.fill("enh_s2t", {"enh_separator": "tcn"})["enh_separator_conf"]["layer"] == 8
    s2t = catalog.fill("enh_s2t", {"asr_model_conf": {"lsm_weight": 0.1}})
    assert (s2t["asr_model_conf"]["lsm_weight"], s2t["asr_model_conf"]["ctc_weight"]) == (0.1, 0.5)
    assert catalog.fill("enh", {"model_conf": {}})["model_conf"]["stft_consistency"] is False


def test_a_plugins_own_names_stay_as_they_are(catalog: Catalog) -> None:
    full = catalog.fill("asr", {"encoder": "mine", "encoder_conf": {"a": 1}})
    assert (full["encoder"], full["encoder_conf"]) == ("mine", {"a": 1})
    assert catalog.fill("my_task", {"a": "None"}) == {"a": "None"}
    assert catalog.choices("my_task") == {}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"encoder": ["conformer"]}, "config key encoder is .* name"),
        ({"encoder_conf": "big"}, "config key encoder_conf is 'big'; give a mapping"),
        ({"ctc_conf": [1]}, "config key ctc_conf is"),
    ],
)
def test_malformed_config_is_named(catalog: Catalog, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        catalog.fill("asr", config)


@pytest.mark.parametrize(("version", "task"), EVERY_TASK)
def test_filling_is_idempotent_and_complete(version: str, task: str) -> None:
    catalog = Catalog.load(version)
    full = catalog.fill(task, {})
    assert catalog.fill(task, full) == full
    for name, choice in catalog.choices(task).items():
        assert choice.default is None or choice.default in choice.types
        assert isinstance(full[catalog.conf_key(task, name)], dict)


@pytest.mark.parametrize("version", Catalog.versions())
def test_no_task_failed_and_files_stay_small(version: str) -> None:
    file = resources.files("espnet_onnx") / "data" / f"espnet_{version}.json"
    assert len(file.read_bytes()) < 400_000
    assert Catalog.load(version)._data["failed"] == {}


@pytest.mark.export
def test_committed_file_is_what_the_installed_espnet_gives(tmp_path: Path) -> None:
    version = _installed()
    subprocess.run(
        [sys.executable, str(GENERATOR), str(tmp_path / "new.json")],
        check=True,
        capture_output=True,
    )
    committed = resources.files("espnet_onnx") / "data" / f"espnet_{version}.json"
    assert (tmp_path / "new.json").read_text() == committed.read_text(), (
        "run python tools/generate_catalog.py"
    )


@pytest.mark.export
@pytest.mark.parametrize("task", ["asr", "enh_s2t", "tts"])
def test_fill_agrees_with_espnets_default_config(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["espnet"])
    catalog = Catalog.load(_installed())
    module, _, name = catalog.task_class(task).rpartition(".")
    cls: Any = getattr(__import__(module, fromlist=[name]), name)
    full = catalog.fill(task, {})
    confs = [catalog.conf_key(task, c) for c in catalog.choices(task)]
    # ESPnet 202511 and 202611 print tuples where they save lists
    expected = json.loads(json.dumps(cls.get_default_config()))
    for key, value in expected.items():
        if key in confs:
            # print_config drops parameters that are named like an argument of the task
            assert value.keys() | full.keys() >= full[key].keys()
            assert value.items() >= {k: v for k, v in full[key].items() if k not in full}.items()
        elif not key.startswith(("optim", "scheduler")):  # the trainer's, not the model's
            # more where ESPnet's own default is of another class (enh_s2t: st_model_conf)
            assert _within(value, full[key]), key


def _within(part: Any, whole: Any) -> bool:
    return part.items() <= whole.items() if isinstance(part, dict) else bool(part == whole)


def _installed() -> str:
    pytest.importorskip("torch")
    version = str(pytest.importorskip("espnet2.tasks.abs_task").__version__)
    if version not in Catalog.versions():
        pytest.skip(f"there is no catalog of espnet {version}")
    return version
