"""The third party's plugin in examples/, built, installed and used as anybody would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.export
pytest.importorskip("torch")
pytest.importorskip("espnet2")
soundfile = pytest.importorskip("soundfile")

Run = Callable[..., subprocess.CompletedProcess[str]]

MAIN = "import sys; from espnet_onnx.cli import main; main(sys.argv[1:])"
WRITE = """
import sys
from pathlib import Path
from espnet_onnx.testing import tiny_models, write_model
write_model(tiny_models("tdnn")[0], Path(sys.argv[1]))
"""
BLOCK = "import sys\nfor name in ('torch', 'onnx', 'espnet', 'espnet2'): sys.modules[name] = None\n"


def run(path: Sequence[Path], code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Python with what is installed in `path` before anything else."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONWARNINGS": "ignore",
        "ESPNET_ONNX_RAISE": "",
    }
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment,
    )


def install(wheel: Path, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def example(root: Path) -> Path:
    return root / "examples" / "espnet-onnx-plugin-tdnn"


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def plugin(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin-wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=example, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return install(wheel, tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def model(core: Path, plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "exp"
    result = run([core, plugin], WRITE, folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def bundle(core: Path, plugin: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "bundle"
    result = run([core, plugin], MAIN, "export", model, "-o", folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "noise.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    soundfile.write(path, samples, 8000, subtype="FLOAT")
    return Path(path)


def test_the_wheels_are_what_is_imported(core: Path, plugin: Path) -> None:
    code = (
        "import espnet_onnx, espnet_onnx_plugin_tdnn as p; print(espnet_onnx.__file__, p.__file__)"
    )
    ours, theirs = run([core, plugin], code).stdout.split()
    assert Path(ours).is_relative_to(core)
    assert Path(theirs).is_relative_to(plugin)


def test_config_alone_is_dispatched_to_it(core: Path, plugin: Path, model: Path) -> None:
    result = run([core, plugin], BLOCK + MAIN, "inspect", model / "config.yaml", "--json")
    assert result.returncode == 0, result.stderr
    rows = {row["path"]: row for row in json.loads(result.stdout)["components"]}
    assert (rows["encoder"]["plugin"], rows["encoder"]["kind"]) == ("tdnn", "tdnn.encoder")
    assert {row["plugin"] for path, row in rows.items() if path != "encoder"} == {
        "asr_transformer",
        "features",
    }


def asked(problem: str) -> set[str]:
    """The plugins a line about a component nobody claims names."""
    return set(problem.partition("asked: ")[2].partition(";")[0].split(", "))


def test_inspect_without_it_names_what_nobody_claims(core: Path, model: Path) -> None:
    result = run([core], MAIN, "inspect", model, "--json")
    assert result.returncode == 1
    problems = [row["problem"] for row in json.loads(result.stdout)["components"] if row["problem"]]
    assert len(problems) == 1
    assert "encoder (role encoder, type tdnn) is claimed by no plugin" in problems[0]
    assert {"asr_transformer", "features"} <= asked(problems[0])


def test_export_without_it_stops_at_the_encoder(core: Path, model: Path, tmp_path: Path) -> None:
    result = run([core], MAIN, "export", model, "-o", tmp_path / "bundle")
    assert result.returncode == 2
    assert "role encoder, type tdnn" in result.stderr
    assert not list(tmp_path.iterdir())


def test_bundle_names_the_distribution(bundle: Path) -> None:
    plugins = json.loads((bundle / "manifest.json").read_text())["plugins"]
    assert plugins["tdnn"] == {"distribution": "espnet-onnx-plugin-tdnn", "version": "1.0.0"}


def test_bundle_runs_without_torch(core: Path, plugin: Path, bundle: Path, noise: Path) -> None:
    options = ("--beam-size", 3, "--format", "json")
    result = run([core, plugin], BLOCK + MAIN, "transcribe", bundle, noise, *options)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)


def test_bundle_answers_as_espnet(
    core: Path, plugin: Path, bundle: Path, model: Path, noise: Path
) -> None:
    result = run([core, plugin], MAIN, "verify", bundle, "--against", model, noise, "--json")
    assert result.returncode == 0, result.stderr + result.stdout
    report = json.loads(result.stdout)
    assert "encoder.encoder" in {graph["graph"] for graph in report["graphs"]}
    assert all(graph["passed"] for graph in report["graphs"])


def test_bundle_without_it_says_what_to_install(core: Path, bundle: Path, noise: Path) -> None:
    result = run([core], BLOCK + MAIN, "transcribe", bundle, noise)
    assert result.returncode == 2
    (line,) = result.stderr.strip().splitlines()
    assert "plugin tdnn is not installed" in line
    assert line.endswith("pip install espnet-onnx-plugin-tdnn")


def test_its_own_tests_pass(core: Path, plugin: Path, example: Path) -> None:
    code = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    options = ("-q", "-m", "not slow", "-p", "no:cacheprovider", "--rootdir", example)
    result = run(
        [core, plugin], code, *options, "-c", example / "pyproject.toml", example / "tests"
    )
    assert result.returncode == 0, result.stdout + result.stderr
