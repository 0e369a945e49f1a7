"""Finding models in zips, and refusing zips that would do harm."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from espnet_onnx import archives
from espnet_onnx.sources import find

from .packs import refused, write_zip


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
