"""What every test may use: no network, and core's wheel for those that install it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Test processes take files in the order of `_cost`, not those of most tests first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Dear files first; without torch, tests marked `export` are skipped."""
    items.sort(key=_cost)
    if importlib.util.find_spec("torch"):
        return
    for item in items:
        if item.get_closest_marker("export"):
            item.add_marker(pytest.mark.skip(reason="needs the export extra"))


def _cost(item: pytest.Item) -> tuple[bool, bool]:
    # Near the end only short files are left, or one process would wait for the other.
    return item.path.name != "test_conformance.py", "plugins" not in item.path.parts


@pytest.fixture(scope="session", autouse=True)
def _torchlib_once() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if "torch" in sys.modules:
            from espnet_onnx.testing.traces import torchlib_once

            stack.enter_context(torchlib_once())
        yield


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def local(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in ("localhost", "127.0.0.1", "::1"):
            raise OSError(f"a test wants to connect to {host}: tests use no network")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", local)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution's wheel, built once from this checkout."""
    pytest.importorskip("hatchling", reason="building a wheel needs hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny random ESPnet model: 8 kHz, characters, attention and CTC."""
    pytest.importorskip("torch")
    from .tiny_models import write_model

    return write_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def tiny_export(tiny_model: Path) -> subprocess.CompletedProcess[str]:
    """`espnet-onnx export --json` of the tiny model, as a user would run it."""
    bundle = tiny_model.parent / "bundle"
    command = [sys.executable, "-m", "espnet_onnx", "export", str(tiny_model), "-o", str(bundle)]
    return subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def tiny_bundle(tiny_model: Path, tiny_export: subprocess.CompletedProcess[str]) -> Path:
    """The tiny model's bundle, fp32; copy it before you change it."""
    assert tiny_export.returncode == 0, tiny_export.stderr
    return tiny_model.parent / "bundle"


@pytest.fixture(scope="session")
def tiny_frontend(tiny_model: Path) -> Path:
    """The bundle of the tiny model's frontend alone: 16 mel bands of 8 kHz."""
    from espnet_onnx.export import export

    return export(tiny_model, tiny_model.parent / "frontend", role="frontend", threads=1).bundle


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line: exit code, stdout, stderr."""
    from espnet_onnx.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run
