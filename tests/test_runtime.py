"""Opening a bundle: what the caller may ask of it, and what a graph says that cannot run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from espnet_onnx import runtime
from espnet_onnx.bundle import read_manifest, write_manifest
from espnet_onnx.errors import InputError
from espnet_onnx.runtime import OrtSession, load, session_options

from .fake_bundles import MANAGER, write


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bündle of one")


@pytest.mark.parametrize("threads", [0, -1, "2", 1.5])
def test_threads_that_are_no_number_of_threads(bundle: Path, threads: Any) -> None:
    with pytest.raises(InputError, match=r"^threads is .*: give a whole number of 1 or more$"):
        load(bundle, manager=MANAGER, threads=threads)


@pytest.mark.parametrize("providers", [["CUDAexecutionprovider"], "Nobody", [], ["CPU", "Nobody"]])
def test_providers_that_onnxruntime_would_pass_over(bundle: Path, providers: Any) -> None:
    with pytest.raises(InputError, match=r"execution provider .*: this onnxruntime has .*CPUExec"):
        load(bundle, manager=MANAGER, providers=providers)


def test_one_provider_may_be_given_by_name(bundle: Path) -> None:
    assert load(bundle, manager=MANAGER, providers="CPUExecutionProvider").kind == "one.root"


@pytest.mark.parametrize("precision", ["int8", "fp16", ""])
def test_a_precision_that_the_bundle_lacks(bundle: Path, precision: str) -> None:
    with pytest.raises(InputError, match="use one of fp32"):
        load(bundle, manager=MANAGER, precision=precision)


def test_a_bundle_without_a_search_has_no_settings(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert manifest.decoding == {"beam_size": 3}
    assert load(bundle, manager=MANAGER).config == {"decoding": {"beam_size": 3}}
    manifest.decoding.clear()  # type: ignore[attr-defined]
    write_manifest(bundle, manifest)
    assert load(bundle, manager=MANAGER).config == {}
    with pytest.raises(InputError, match="has no search to set beam_size of"):
        load(bundle, manager=MANAGER, beam_size=2)


def test_every_allowed_core_is_used_on_any_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    assert session_options().intra_op_num_threads == 3
    monkeypatch.delattr(runtime.os, "sched_getaffinity")
    monkeypatch.setattr(runtime.os, "cpu_count", lambda: 7)
    assert session_options().intra_op_num_threads == 7


def test_a_provider_that_is_there_but_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnCpu:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    monkeypatch.setattr("onnxruntime.InferenceSession", OnCpu)
    with pytest.raises(InputError, match=r"execution provider CUDA.* does not start"):
        OrtSession(tmp_path, None, ["CUDAExecutionProvider", "CPUExecutionProvider"])


def test_memory_that_is_too_small_for_the_audio() -> None:
    error = RuntimeError("x.cc:360 Failed to allocate memory for requested buffer of size 245")
    assert runtime._why(error).startswith("memory is too small for this much audio: give shorter")


@pytest.mark.export
def test_a_graph_that_cannot_run_is_named_with_what_to_do(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    make, floats = onnx.helper, onnx.TensorProto.FLOAT
    x = make.make_tensor_value_info("x", floats, ["batch", 2])
    y = make.make_tensor_value_info("y", floats, ["batch", 2])
    graph = make.make_graph([make.make_node("Abs", ["x"], ["y"])], "g", [x], [y])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "feats.fp32.onnx")
    session = OrtSession(tmp_path / "feats.fp32.onnx", session_options(1), ["CPUExecutionProvider"])
    assert session(x=np.full((3, 2), -1, np.float32))[0].sum() == 6
    with pytest.raises(InputError, match=r"graph feats.fp32 cannot run: .*dimensions.*: give what"):
        session(x=np.zeros((3, 5), np.float32))
    assert session.calls == 1
