"""Finding models in folders and files; without torch or a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from espnet_onnx.configs import read_yaml, resolve_files
from espnet_onnx.errors import InputError, ModelError
from espnet_onnx.sources import find

from .packs import CONFIG, TOKENS, refused, write_pack


def test_config_alone_has_no_weights(pack: Path) -> None:
    path = pack / "exp/m/config.yaml"
    source = find(path)
    assert source.weights is None
    assert source.config_path == path
    assert source.name == "m"
    assert source.config["encoder"] == "conformer"


def test_model_folder(pack: Path) -> None:
    source = find(str(pack / "exp/m"))
    assert source.weights is not None
    assert source.weights.name == "valid.acc.ave.pth"
    # Names in a config are relative to the recipe, here two folders up.
    assert source.config["normalize_conf"]["stats_file"] == str(pack / "stats/a.npz")


def test_checkpoint_by_name(pack: Path) -> None:
    path = pack / "exp/m/12epoch.pth"
    path.write_text("other")
    assert find(path).weights == path


def test_folder_prefers_what_the_recipes_decode_with(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    for name in ["1epoch", "2epoch", "checkpoint", "latest", "valid.acc.best"]:
        (tmp_path / f"{name}.pth").write_text(name)
    assert find(tmp_path).weights == tmp_path / "valid.acc.best.pth"
    (tmp_path / "valid.acc.ave_5best.pth").write_text("five")
    assert find(tmp_path).weights == tmp_path / "valid.acc.ave_5best.pth"
    (tmp_path / "valid.acc.ave_10best.pth").write_text("ten")
    refused(tmp_path, "ave_10best.pth", "ave_5best.pth", "give the .pth file")
    (tmp_path / "valid.acc.ave.pth").symlink_to("valid.acc.ave_10best.pth")
    assert find(tmp_path).weights == tmp_path / "valid.acc.ave.pth"
    (tmp_path / "valid.loss.ave.pth").symlink_to("valid.acc.ave_10best.pth")
    assert find(tmp_path).weights is not None


def test_folder_of_epochs_only(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "1epoch.pth").write_text("1")
    assert find(tmp_path).weights == tmp_path / "1epoch.pth"
    (tmp_path / "2epoch.pth").write_text("2")
    refused(tmp_path, "1epoch.pth", "2epoch.pth")


def test_pack_folder(pack: Path) -> None:
    for path in (pack, pack / "meta.yaml"):
        source = find(path)
        assert source.name == "pack"
        assert source.hint == "asr"
        assert source.folder == pack
        assert source.weights == pack / "exp/m/valid.acc.ave.pth"
        assert source.config["bpemodel"] == str(pack / "bpe.model")
        assert source.config["normalize_conf"]["stats_file"] == str(pack / "stats/a.npz")
        # Neither options nor tokens become paths.
        assert source.config["ctc_conf"] == CONFIG["ctc_conf"]
        assert source.config["token_list"] == TOKENS


def test_pack_names_companions(tmp_path: Path) -> None:
    folder = write_pack(
        tmp_path,
        yaml_files={
            "lm_train_config": "exp/lm/config.yaml",
            "asr_train_config": "exp/m/config.yaml",
        },
        files={"asr_model_file": "exp/m/valid.acc.ave.pth", "lm_file": "exp/lm/ave.pth"},
    )
    source = find(folder)
    assert source.extra == {
        "lm_train_config": folder / "exp/lm/config.yaml",
        "lm_file": folder / "exp/lm/ave.pth",
    }
    assert set(source.yaml_files) == {"lm_train_config", "asr_train_config"}


def test_pack_of_other_tasks(tmp_path: Path) -> None:
    names = {"yaml": "exp/m/config.yaml", "file": "exp/m/valid.acc.ave.pth"}
    for key, file, hint in [
        ("train_config", "model_file", None),
        ("enh_s2t_train_config", "enh_s2t_model_file", "enh_s2t"),
        ("lm_train_config", "lm_file", "lm"),
    ]:
        folder = write_pack(tmp_path, yaml_files={key: names["yaml"]}, files={file: names["file"]})
        source = find(folder)
        assert source.hint == hint
        assert source.weights == folder / names["file"]


def test_pack_whose_weights_were_not_copied(pack: Path) -> None:
    (pack / "exp/m/valid.acc.ave.pth").unlink()
    assert find(pack).weights is None


def test_absolute_names_in_meta_stay_inside(tmp_path: Path) -> None:
    folder = write_pack(tmp_path, yaml_files={"asr_train_config": "/exp/m/config.yaml"})
    assert find(folder).config_path == folder / "exp/m/config.yaml"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"yaml_files": {"training_config": "a.yaml"}}, ["training_config", "train_config"]),
        ({"yaml_files": None}, ["names nothing"]),
        ({"yaml_files": ["a"]}, ["yaml_files", "not a mapping"]),
        ({"files": {"asr_model_file": "../../x.pth"}}, ["leads out"]),
        ({"yaml_files": {"asr_train_config": "exp/none.yaml"}}, ["none.yaml", "no such file"]),
        (
            {"yaml_files": {"asr_train_config": "a.yaml", "st_train_config": "b.yaml"}},
            ["asr_train_config, st_train_config"],
        ),
    ],
)
def test_broken_meta_is_refused(tmp_path: Path, changes: Any, words: list[str]) -> None:
    refused(
        write_pack(tmp_path, **changes), "meta.yaml" if "none.yaml" not in words else "", *words
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", ["is empty", "not a mapping"]),
        (b"- a\n- b\n", ["a list", "not a mapping"]),
        (b"1: a\n", ["not a mapping of names"]),
        (b"a: [1\nb: 2\n", ["not valid YAML", "line 2"]),
        (b"\xff\xfe\x00", ["not valid YAML"]),
        (b"a: !!python/object/apply:os.system [true]\n", ["not valid YAML", "line 1"]),
        (b"a: &x {b: *x}\n", ["key b", "damaged"]),
    ],
)
def test_broken_yaml_is_refused(tmp_path: Path, text: bytes, words: list[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(text)
    refused(path, *words)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "missing", "no such file or folder")
    refused(tmp_path / "missing.zip", "no such file or folder")
    refused("missing.zip", "no such file or folder")
    refused(tmp_path, "neither meta.yaml nor config.yaml")
    (tmp_path / "speech.wav").write_bytes(b"RIFF")
    refused(tmp_path / "speech.wav", "is not a zip")
    (tmp_path / "a.pth").write_bytes(b"")
    refused(tmp_path / "a.pth", "config.yaml", "no such file")
    assert issubclass(ModelError, InputError)


def test_resolve_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/tokens.txt").write_text("a")
    (tmp_path / "exp").mkdir()
    root = tmp_path / "exp"
    config = {
        "token_list": "data/tokens.txt",
        "gone": "/elsewhere/recipe/data/tokens.txt",
        "word": "/elsewhere/data",
        "out": "../data/tokens.txt",
        "n": 3,
        "list": [{"name": "data/tokens.txt"}],
        "odd": "a/\0b",
        "long": "x/" + "y" * 5000,
    }
    found = str(tmp_path / "data/tokens.txt")
    assert resolve_files(config, [root, tmp_path]) == {
        **config,
        "token_list": found,
        "gone": found,
        "list": [{"name": found}],
    }
    assert resolve_files(config, [root])["out"] == "../data/tokens.txt"
    assert config["token_list"] == "data/tokens.txt"


def test_read_yaml_reads_what_espnet_writes(tmp_path: Path) -> None:
    data = {"a": {"b": [1, 2.5, None, "é"]}, "lr": 1.0e-06}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    assert read_yaml(tmp_path / "c.yaml") == data


def test_finding_needs_no_torch(pack: Path) -> None:
    code = (
        "import sys\nfrom espnet_onnx.sources import find\n"
        f"find({str(pack)!r})\n"
        "heavy = {'torch', 'espnet2', 'onnx', 'numpy', 'huggingface_hub'}\n"
        "sys.exit(','.join(heavy & {m.split('.')[0] for m in sys.modules}) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
