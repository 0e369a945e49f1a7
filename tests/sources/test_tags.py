"""Finding zoo models in download caches that the test fills; without a network."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from espnet_onnx.sources import find

from .packs import refused, write_zip


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves the machine; a connection is counted as a failure of the test."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def connect(*_args: object) -> None:
        raise AssertionError("a network connection was tried")

    monkeypatch.setattr(socket.socket, "connect", connect)


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
