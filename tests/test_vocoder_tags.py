"""A vocoder's tag: what a cache has, what a download brings, archives that nobody vouches for.

The toolkit and gdown are stand-ins: tests use no network.
"""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from espnet_onnx import hub
from espnet_onnx.errors import ModelError
from espnet_onnx.vocoder_files import VocoderFiles
from espnet_onnx.vocoder_tags import fetch_vocoder, unpack_vocoder

TAG, NAME = "parallel_wavegan/tiny_hifigan.v1", "tiny_hifigan.v1"
CONFIG = b"generator_type: HiFiGANGenerator\nsampling_rate: 8000\nformat: hdf5\n"
FILES = {
    f"exp/{NAME}/checkpoint-10steps.pkl": b"weights",
    f"exp/{NAME}/config.yml": CONFIG,
    f"exp/{NAME}/stats.h5": b"stats",
    f"exp/{NAME}/wav/sample.wav": b"sound",
}


@pytest.fixture(autouse=True)
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where archives are unpacked; nothing of the user's own is seen."""
    monkeypatch.setenv("ESPNET_ONNX_CACHE", str(tmp_path / "ours"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "ours" / "unpacked"


def member(name: str, **values: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(info, key, value)
    return info


def packed(path: Path, files: dict[str, bytes], *more: tarfile.TarInfo) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for info in more:
            archive.addfile(info)
        for name, data in files.items():
            archive.addfile(member(name, size=len(data)), io.BytesIO(data))
    return path


@pytest.fixture
def toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes | None]:
    """ParallelWaveGAN's list with one vocoder, and a drive: file id -> what is there."""
    drive: dict[str, bytes | None] = {"1i6": packed(tmp_path / "x.tar.gz", FILES).read_bytes()}

    def download(*, id: str, output: str, quiet: bool) -> str | None:
        if id not in drive:
            raise ConnectionError("no network\nat all")
        if (data := drive[id]) is None:
            return None
        Path(output).write_bytes(data)
        return output

    package, utils, gdown = map(ModuleType, ("parallel_wavegan", "parallel_wavegan.utils", "gdown"))
    utils.PRETRAINED_MODEL_LIST = {NAME: "1i6"}  # type: ignore[attr-defined]
    gdown.download = download  # type: ignore[attr-defined]
    for module in (package, utils, gdown):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return drive


def test_the_toolkits_own_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / ".cache" / "parallel_wavegan" / NAME
    folder.mkdir(parents=True)
    (folder / "checkpoint-10steps.pkl").touch()
    (folder / "config.yml").write_bytes(CONFIG)
    found = VocoderFiles.find(TAG)
    assert found.weights == folder / "checkpoint-10steps.pkl"
    assert found.component().type == "hifigan"
    assert found.component().given["sample_rate"] == 8000


def test_an_archive_in_the_cache_is_unpacked_once(tmp_path: Path, unpacked: Path) -> None:
    packed(tmp_path / "cache" / f"{NAME}.tar.gz", FILES)
    found = VocoderFiles.find(TAG, tmp_path / "cache")
    folder = found.weights.parent
    assert folder.parent == unpacked and found.stats == folder / "stats.h5"
    names = ["checkpoint-10steps.pkl", "config.yml", "stats.h5"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert found.weights.read_bytes() == b"weights"
    stamp = found.weights.stat().st_mtime_ns
    assert fetch_vocoder(TAG, tmp_path / "cache") == folder
    assert found.weights.stat().st_mtime_ns == stamp and len(list(unpacked.iterdir())) == 1


def test_a_download_is_kept(toolkit: dict[str, bytes | None], tmp_path: Path) -> None:
    folder = fetch_vocoder(TAG)
    assert (folder / "config.yml").read_bytes() == CONFIG
    toolkit.clear()  # the network is gone
    assert fetch_vocoder(TAG) == folder
    assert (tmp_path / ".cache" / "parallel_wavegan" / f"{NAME}.tar.gz").is_file()


def test_what_is_not_there_is_one_line(
    toolkit: dict[str, bytes | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def problem(tag: str) -> str:
        with pytest.raises(ModelError) as raised:
            fetch_vocoder(tag, tmp_path / "cache")
        assert not list((tmp_path / "cache").glob("*"))
        return str(raised.value)

    said = problem("parallel_wavegan/tiny_hifigan")
    assert "list has no such name: give one of its 1, such as tiny_hifigan.v1" in said
    toolkit["1i6"] = None
    assert "was not downloaded (OSError: nothing came)" in problem(TAG)
    del toolkit["1i6"]
    said = problem(TAG)
    assert "(ConnectionError: no network): check the network, or put tiny_hifigan.v1.tar.gz" in said
    assert "\n" not in said
    monkeypatch.setitem(sys.modules, "gdown", None)
    assert "a download needs the packages parallel_wavegan and gdown" in problem(TAG)


def test_other_tags_are_those_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "snapshot" / "exp"
    below.mkdir(parents=True)
    (below / "checkpoint.pkl").touch()
    (below / "config.yml").write_bytes(CONFIG)
    asked: list[Any] = []

    def fetch(*given: Any) -> Path:
        asked.append(given)
        return tmp_path / "snapshot"

    monkeypatch.setattr("espnet_onnx.vocoder_tags.fetch", fetch)
    assert VocoderFiles.find("someone/a_vocoder").weights == below / "checkpoint.pkl"
    assert asked == [("someone/a_vocoder", None)]
    monkeypatch.setattr("espnet_onnx.vocoder_tags.fetch", hub.fetch)
    for name in ("nowhere", "nowhere/checkpoint.pkl"):
        with pytest.raises(ModelError, match=r"is no vocoder: .* or a tag \(parallel_wavegan/NAME"):
            VocoderFiles.find(name)


LINK = member("stats.h5", type=tarfile.SYMTYPE, linkname="/etc/passwd")
DEVICE = member("config.yml", type=tarfile.CHRTYPE)


def test_what_leads_outside_stays_outside(tmp_path: Path, unpacked: Path) -> None:
    sly = {"../../checkpoint.pkl": b"weights", "/config.yml": CONFIG, "..": b"", "a\\b.pkl": b"x"}
    archive = packed(tmp_path / "sly.tar.gz", sly, LINK, DEVICE)
    folder = unpack_vocoder(archive, tmp_path / "ours")
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.pkl", "config.yml"]
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert list(tmp_path.rglob("checkpoint.pkl")) == [folder / "checkpoint.pkl"]


def test_what_is_no_sound_archive_leaves_nothing(tmp_path: Path, unpacked: Path) -> None:
    whole = packed(tmp_path / "a.tar.gz", FILES).read_bytes()
    twice = packed(tmp_path / "b.tar.gz", {"a/x.pkl": b"1", "b/x.pkl": b"2"}).read_bytes()
    broken = {"cut": whole[: len(whole) // 2], "text": b"hello", "empty": b"", "twice": twice}
    for name, data in broken.items():
        path = tmp_path / f"{name}.tar.gz"
        path.write_bytes(data)
        with pytest.raises(ModelError, match=f"{name}.tar.gz: cannot be unpacked into") as raised:
            unpack_vocoder(path, tmp_path / "ours")
        assert "\n" not in str(raised.value) and not list(unpacked.iterdir())


def test_a_bomb_is_not_unpacked(tmp_path: Path, unpacked: Path) -> None:
    path = tmp_path / "bomb.tar"
    path.write_bytes(member("checkpoint.pkl", size=1 << 40).tobuf())
    with pytest.raises(ModelError, match="far more than its own size explains"):
        unpack_vocoder(path, tmp_path / "ours")
    assert not list(unpacked.iterdir())
