"""Finding models on disk, in zips and in download caches; without torch or a network."""

from __future__ import annotations

import hashlib
import socket
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from espnet_onnx import archives
from espnet_onnx.configs import read_yaml, resolve_files
from espnet_onnx.errors import InputError, ModelError
from espnet_onnx.sources import find

TOKENS = ["<blank>", "exp", ".", "stats/a.npz", "<sos/eos>"]
CONFIG = {
    "token_list": TOKENS,
    "token_type": "bpe",
    "bpemodel": "bpe.model",
    "encoder": "conformer",
    "ctc_conf": {"brctc_risk_strategy": "exp"},
    "normalize_conf": {"stats_file": "stats/a.npz"},
}


def write_pack(folder: Path, **changes: Any) -> Path:
    """An unpacked ESPnet pack whose weights are a few bytes."""
    meta = {
        "espnet": "202511",
        "yaml_files": {"asr_train_config": "exp/m/config.yaml"},
        "files": {"asr_model_file": "exp/m/valid.acc.ave.pth"},
        **changes,
    }
    for name, content in {
        "meta.yaml": yaml.safe_dump(meta),
        "exp/m/config.yaml": yaml.safe_dump(CONFIG),
        "exp/m/valid.acc.ave.pth": "weights",
        "bpe.model": "pieces",
        "stats/a.npz": "statistics",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def write_zip(path: Path, folder: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            packed.write(file, prefix + str(file.relative_to(folder)))
    return path


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write_pack(tmp_path / "pack")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves the machine; a connection is counted as a failure of the test."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def connect(*_args: object) -> None:
        raise AssertionError("a network connection was tried")

    monkeypatch.setattr(socket.socket, "connect", connect)


def refused(model: Path | str, *words: str, **options: Any) -> str:
    """The one line with which `find` refuses a model."""
    with pytest.raises(ModelError) as caught:
        find(model, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


# --- folders and files


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


# --- names of files in a config


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


# --- zips


@pytest.mark.parametrize("prefix", ["", "model/"])
def test_zip(pack: Path, tmp_path: Path, prefix: str) -> None:
    archive = write_zip(tmp_path / "asr.zip", pack, prefix)
    cache = tmp_path / "cache"
    source = find(archive, cache=cache)
    assert source.name == "asr"
    assert source.weights is not None
    assert source.weights.read_text() == "weights"
    assert source.config["bpemodel"] == str(source.folder / "bpe.model")
    assert source.folder.is_relative_to(cache)


def test_zip_is_unpacked_once(pack: Path, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "asr.zip", pack)
    first = find(archive, cache=tmp_path / "cache")
    assert first.weights is not None
    before = first.weights.stat()
    again = find(write_zip(tmp_path / "same.zip", pack), cache=tmp_path / "cache")
    assert again.weights is not None
    assert again.weights.stat() == before


def test_zip_cache_folder(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPNET_ONNX_CACHE", str(tmp_path / "own"))
    assert find(write_zip(tmp_path / "a.zip", pack)).folder.is_relative_to(tmp_path / "own")


def _member(name: str, mode: int = 0, system: int = 3) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.filename = info.orig_filename = name
    info.external_attr, info.create_system = mode << 16, system
    return info


@pytest.mark.parametrize(
    ("info", "why"),
    [
        (_member("../evil"), "leads out"),
        (_member("a/../../evil"), "leads out"),
        (_member("/evil"), "absolute"),
        (_member("C:/evil"), "absolute"),
        (_member("c:evil"), "absolute"),
        (_member("..\\evil", system=0), "differently"),
        (_member("exp/link", stat.S_IFLNK | 0o777), "link"),
        (_member("exp/fifo", stat.S_IFIFO | 0o666), "special"),
    ],
)
def test_zip_with_unsafe_member(
    pack: Path, tmp_path: Path, info: zipfile.ZipInfo, why: str
) -> None:
    archive = write_zip(tmp_path / "bad.zip", pack)
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr(info, "/etc/passwd")
    refused(archive, "member", why, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.yaml"))
    assert not list(tmp_path.rglob("*evil"))


def test_zip_with_two_members_of_one_name(pack: Path, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "bad.zip", pack)
    with zipfile.ZipFile(archive, "a") as packed, pytest.warns(UserWarning, match="Duplicate"):
        packed.writestr("bpe.model", "other")
    refused(archive, "cannot be unpacked", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache/unpacked").iterdir())


def test_zip_bomb(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_ALWAYS_ALLOWED", 1 << 16)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("meta.yaml", bytes(1 << 22))
    refused(tmp_path / "bomb.zip", "would unpack to", cache=tmp_path / "cache")
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 2)
    refused(write_zip(tmp_path / "many.zip", pack), "5 files", cache=tmp_path / "cache")


def test_damaged_zip_leaves_nothing(pack: Path, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", pack)
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"weights", b"weighty", 1))
    refused(archive, "download it again", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache/unpacked").iterdir())
    archive.write_bytes(data[: len(data) // 2])
    refused(archive, "is not a zip", cache=tmp_path / "cache")


def test_full_disk_leaves_nothing(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    archive = write_zip(tmp_path / "a.zip", pack)
    monkeypatch.setattr(archives.shutil, "copyfileobj", full)
    refused(archive, "No space left", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache/unpacked").iterdir())


# --- zoo tags, from caches that the test fills


def write_hub_cache(cache: Path, repository: str, pack: Path, *, weights: bool = True) -> Path:
    """What `snapshot_download` leaves: blobs, refs, and a snapshot of links to the blobs."""
    store = cache / f"models--{repository.replace('/', '--')}"
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = store / "snapshots" / commit
    for name in ("blobs", "refs"):
        (store / name).mkdir(parents=True)
    (store / "refs/main").write_text(commit)
    for file in sorted(p for p in pack.rglob("*") if p.is_file()):
        if file.suffix == ".pth" and not weights:
            continue
        blob = store / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        blob.write_bytes(file.read_bytes())
        link = snapshot / file.relative_to(pack)
        link.parent.mkdir(parents=True, exist_ok=True)
        up = [".."] * len(link.relative_to(store).parts[:-1])
        link.symlink_to(Path(*up, "blobs", blob.name))
    return snapshot


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "tag", ["espnet/tiny", "espnet/tiny@main", "https://huggingface.co/espnet/tiny"]
)
def test_tag_in_the_hub_cache(pack: Path, tmp_path: Path, tag: str) -> None:
    snapshot = write_hub_cache(tmp_path / "cache", "espnet/tiny", pack)
    source = find(tag, cache=tmp_path / "cache")
    assert source.name == tag
    assert source.folder == snapshot
    assert source.weights == snapshot / "exp/m/valid.acc.ave.pth"
    assert source.config["normalize_conf"]["stats_file"] == str(snapshot / "stats/a.npz")


@pytest.mark.usefixtures("offline")
def test_tag_of_which_only_the_config_is_cached(pack: Path, tmp_path: Path) -> None:
    write_hub_cache(tmp_path / "cache", "espnet/tiny", pack, weights=False)
    source = find("espnet/tiny", cache=tmp_path / "cache")
    assert source.weights is None
    assert source.config["encoder"] == "conformer"


@pytest.mark.usefixtures("offline")
def test_tag_in_the_model_zoo_cache(pack: Path, tmp_path: Path) -> None:
    pytest.importorskip("espnet_model_zoo.downloader")
    url = "https://zenodo.org/record/3957940/files/asr_train_raw_bpe_valid.acc.best.zip?download=1"
    folder = tmp_path / "cache" / hashlib.md5(url.encode()).hexdigest()
    folder.mkdir(parents=True)
    write_zip(folder / "asr_train_raw_bpe_valid.acc.best.zip", pack)
    tag = "kamo-naoyuki/mini_an4_asr_train_raw_bpe_valid.acc.best"
    source = find(tag, cache=tmp_path / "cache")
    assert source.name == tag
    assert source.weights is not None
    assert source.weights.read_text() == "weights"


@pytest.mark.usefixtures("offline")
def test_unknown_tag_says_where_it_looked(tmp_path: Path) -> None:
    refused("espnet/none", "espnet/none", str(tmp_path), "check the name", cache=tmp_path)
    refused("none", "none", "org/name", cache=tmp_path)


def test_finding_needs_no_torch(pack: Path) -> None:
    code = (
        "import sys\nfrom espnet_onnx.sources import find\n"
        f"find({str(pack)!r})\n"
        "heavy = {'torch', 'espnet2', 'onnx', 'numpy', 'huggingface_hub'}\n"
        "sys.exit(','.join(heavy & {m.split('.')[0] for m in sys.modules}) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
