"""What importing costs, what needs torch, and that every `__all__` is true."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from importlib_metadata import entry_points

PACKAGES = ("espnet_onnx", *sorted(e.module for e in entry_points(group="espnet_onnx")))
HEAVY = ("torch", "onnx", "onnxscript", "espnet", "espnet2", "onnxruntime")
RUN_CONTRACT = "what runs a bundle reaches no torch, onnx or espnet"

# Of core, what only an export, a check against ESPnet or a developer needs.
EXPORT_CORE = {
    *(
        "checkpoint",
        "claims",
        "companions",
        "espnet_classes",
        "export",
        "graphs",
        "inference",
        "isolation",
        "loader",
        "static_quantiser",
        "vocoder_files",
    ),
    *("optimizer", "parity", "quantiser", "reference", "tracer", "verify", "bench", "bench_worker"),
    *("testing", "dropin_export", "speaker", "verify_speech", "bench_speech"),
}
# Modules of plugins say it in their names.
EXPORT_NAMES = ("_export", "_reference", "_graph", "_input", "masking", "tiny")

BLOCK = """
import sys
for name in ("torch", "torchaudio", "onnx", "onnx_ir", "onnxscript", "espnet", "espnet2"):
    sys.modules[name] = None
"""


def _modules() -> list[str]:
    found = []
    for package in map(importlib.import_module, PACKAGES):
        found.append(package.__name__)
        walk = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        found += [m.name for m in walk]
    return sorted(found)


def _for_export(module: str) -> bool:
    package, _, rest = module.partition(".")
    if package == "espnet_onnx":
        return rest.split(".")[0] in EXPORT_CORE or rest.startswith("layers")
    # ESPnet's users ask for features for training by this name.
    return rest.endswith(EXPORT_NAMES) or "training" in rest.split(".")


def _run(code: str) -> str:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def _loaded(code: str) -> set[str]:
    report = "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    return set(json.loads(_run(code + report).splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import espnet_onnx",
        "import espnet_onnx; espnet_onnx.Component; espnet_onnx.hookimpl",
        "from espnet_onnx.manager import Manager; Manager.load()",
    ],
)
def test_import_is_light(code: str) -> None:
    assert not _loaded(code) & set(HEAVY)


def test_help_is_light() -> None:
    code = """
import contextlib, io
from espnet_onnx.cli import main
out = io.StringIO()
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(out):
    main(["--help"])
assert "transcribe" in out.getvalue()
"""
    assert not _loaded(code) & set(HEAVY)


def test_import_leaves_numpy_alone() -> None:
    assert "numpy" not in _loaded("import espnet_onnx")


def test_what_runs_a_bundle_imports_without_torch() -> None:
    light = [m for m in _modules() if not _for_export(m)]
    assert len(light) > 30
    code = BLOCK + "import importlib\n"
    _run(code + "\n".join(f"importlib.import_module({module!r})" for module in light))


def test_run_contract_lists_exactly_what_is_not_for_export(root: Path) -> None:
    config = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [c for c in config["contracts"] if c["name"] == RUN_CONTRACT]
    listed = set(contract["source_modules"])
    parts = "espnet_onnx.parts."
    # Commands import what they need when they run.
    lazy = ("espnet_onnx.__main__", "espnet_onnx.cli", "espnet_onnx.commands")
    light = {m for m in _modules() if not _for_export(m) and not m.startswith(lazy)}
    assert {m for m in light if not m.startswith(parts)} == listed - {parts + "*"}


def test_every_all_is_true() -> None:
    modules = _modules()
    if not importlib.util.find_spec("torch"):
        modules = [m for m in modules if not _for_export(m)]
    for name in modules:
        module = importlib.import_module(name)
        names = getattr(module, "__all__", [])
        assert len(set(names)) == len(names), name
        missing = [n for n in names if not hasattr(module, n)]
        assert not missing, f"{name}.__all__ names {missing}"


def test_core_and_public_modules_state_all() -> None:
    without = []
    for name in _modules():
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        tree = ast.parse(Path(spec.origin).read_text("utf-8"))
        assigned = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        if "__all__" not in assigned and not spec.origin.endswith("__init__.py"):
            without.append(name)
    assert not without


def test_export_tests_are_marked(root: Path) -> None:
    unmarked = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text("utf-8")
        # Without the mark the tests would not run again on the older ESPnet.
        if 'importorskip("torch")' in text and "mark.export" not in text:
            unmarked.append(path.name)
    assert not unmarked
