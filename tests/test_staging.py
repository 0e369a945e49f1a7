"""A bundle appears whole or not at all, whatever ends its export."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_onnx import bundle as bundles
from espnet_onnx.errors import InputError

from .fake_bundles import write


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle")


def test_it_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "bundle"
    with bundles.staging(target) as folder:
        assert not target.exists()
        assert folder.parent == target.parent
        write(folder)
    bundles.verify_files(target, bundles.read_manifest(target))
    assert [p.name for p in target.parent.iterdir()] == ["bundle"]
    assert sorted(p.name for p in target.iterdir()) == ["files", "graphs", "manifest.json"]


FAILURES: dict[str, BaseException] = {
    "exception": ValueError("no"),
    "interrupt": KeyboardInterrupt(),
    "exit": SystemExit(3),
}


@pytest.mark.parametrize("name", FAILURES)
def test_nothing_is_left_after(name: str, tmp_path: Path) -> None:
    def stage() -> None:
        with bundles.staging(tmp_path / "bundle") as folder:
            write(folder)
            raise FAILURES[name]

    with pytest.raises(type(FAILURES[name])):
        stage()
    assert not list(tmp_path.iterdir())


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    def stage() -> None:
        with bundles.staging(tmp_path / "bundle") as folder:
            write(folder)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "graphs/a.onnx"))

    with pytest.raises(InputError, match=r"No space left on device, .*a\.onnx") as caught:
        stage()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_full_disk_keeps_the_old_bundle(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bundles.read_manifest(bundle)

    def full(self: Path, target: Path) -> Path:
        if ".partial-" in self.name and not self.name.endswith("-old"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(self, target)

    rename = Path.rename
    monkeypatch.setattr(Path, "rename", full)

    def stage() -> None:
        with bundles.staging(bundle, overwrite=True) as folder:
            (folder / "new").touch()

    with pytest.raises(InputError, match="No space left"):
        stage()
    bundles.verify_files(bundle, before)
    assert [p.name for p in bundle.parent.iterdir()] == ["bundle"]


def test_overwrite(bundle: Path) -> None:
    with pytest.raises(InputError, match="exists: give another name or --overwrite"):
        bundles.staging(bundle).__enter__()
    with bundles.staging(bundle, overwrite=True) as folder:
        (folder / "new").touch()
        assert (bundle / bundles.MANIFEST).is_file()
    assert [p.name for p in bundle.iterdir()] == ["new"]
    assert [p.name for p in bundle.parent.iterdir()] == ["bundle"]


def test_only_a_bundle_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    (tmp_path / "file").touch()
    for name in ("photos", "file"):
        with pytest.raises(InputError, match=r"exists: give another name$"):
            bundles.staging(tmp_path / name, overwrite=True).__enter__()
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        bundles.staging(tmp_path / "file" / "bundle").__enter__()


KILLED = """
import sys, time
from espnet_onnx.bundle import staging
with staging(sys.argv[1]) as folder:
    (folder / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_what_a_killed_export_left_is_swept_by_the_next(tmp_path: Path) -> None:
    # A name that a pattern would read otherwise.
    target = tmp_path / "bundle[1]"
    command = [sys.executable, "-c", KILLED, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "writing"
        (left,) = tmp_path.iterdir()
        # Another export of the same target leaves a living one alone.
        with bundles.staging(target) as folder:
            assert left.exists()
            write(folder)
        shutil.rmtree(target)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert left.exists()
    assert not target.exists()
    with bundles.staging(target) as folder:
        assert not left.exists()
        write(folder)
    assert [p.name for p in tmp_path.iterdir()] == [target.name]


def test_somebody_else_s_export_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / ".bundle.partial-other"
    other.mkdir()
    (other / ".pid").write_text("1")

    def denied(pid: int, signal_: int) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr(os, "kill", denied)
    with bundles.staging(tmp_path / "bundle"):
        pass
    assert other.exists()
