"""What the distribution holds, and that it runs where there is no torch."""

from __future__ import annotations

import importlib.util
import os
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import espnet_onnx


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_the_package_of_every_entry_point(
    pyproject: dict[str, Any], wheel_files: set[str]
) -> None:
    points = [
        *pyproject["project"]["entry-points"]["espnet_onnx"].values(),
        *pyproject["project"]["scripts"].values(),
    ]
    for point in points:
        module = point.partition(":")[0].replace(".", "/")
        assert {f"{module}.py", f"{module}/__init__.py"} & wheel_files, point


def test_wheel_holds_every_tracked_file_of_its_packages(
    root: Path, pyproject: dict[str, Any], wheel_files: set[str]
) -> None:
    for package in pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        folder = root / package
        files = {p.relative_to(folder.parent).as_posix() for p in _files(folder)}
        assert files
        assert not files - wheel_files


def test_wheel_holds_nothing_else(wheel_files: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_files}
    ours = {"espnet_onnx", f"espnet_onnx-{espnet_onnx.__version__}.dist-info"}
    assert ours <= tops
    assert all(top in ours or top.startswith("espnet_onnx_plugin_") for top in tops)


def test_wheel_states_its_licences(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("dist-info/METADATA")]
        metadata = archive.read(name).decode()
    assert "License-Expression: Apache-2.0 AND CC-BY-SA-4.0" in metadata
    assert "License-File: LICENSE" in metadata
    assert "License-File: NOTICE" in metadata


def test_every_plugin_folder_is_declared_everywhere(root: Path, pyproject: dict[str, Any]) -> None:
    names = sorted(p.name for p in (root / "plugins").iterdir() if p.is_dir())
    packages = [f"espnet_onnx_plugin_{name}" for name in names]
    tool = pyproject["tool"]
    contracts = {c["name"]: c for c in tool["importlinter"]["contracts"]}
    assert pyproject["project"]["entry-points"]["espnet_onnx"] == dict(
        zip(names, packages, strict=True)
    )
    wheel_packages = tool["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert wheel_packages[1:] == [
        f"plugins/{name}/{package}" for name, package in zip(names, packages, strict=True)
    ]
    assert tool["hatch"]["build"]["dev-mode-dirs"][1:] == [f"plugins/{name}" for name in names]
    assert tool["importlinter"]["root_packages"][1:] == packages
    assert contracts["core knows no plugin"]["forbidden_modules"] == packages
    assert contracts["plugins are strangers to each other"]["modules"] == packages
    assert contracts["plugins use the public API only"]["source_modules"] == packages
    assert tool["mypy"]["packages"][1:] == packages


def test_versions_agree(pyproject: dict[str, Any]) -> None:
    assert pyproject["project"]["version"] == espnet_onnx.__version__


@pytest.mark.skipif(
    "ESPNET_ONNX_TEST_BUNDLE" not in os.environ,
    reason="ESPNET_ONNX_TEST_BUNDLE names no bundle of the demo model",
)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_bundle_transcribes_without_torch(precision: str) -> None:
    assert importlib.util.find_spec("torch") is None
    audio = Path(espnet_onnx.__file__).parent / "data" / "demo" / "audio"
    said = dict(line.split(maxsplit=1) for line in (audio / "text").read_text().splitlines())
    asr = espnet_onnx.load(os.environ["ESPNET_ONNX_TEST_BUNDLE"], precision=precision, threads=1)
    heard = {name: asr(audio / f"{name}.flac").text for name in said}
    # The model misses a few words; a broken run time would miss nearly all.
    assert sum(heard[name] == said[name] for name in said) >= len(said) - 2, heard


def _files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
