"""Static int8: calibrated ranges, QDQ form, what is moved in 8 bits, and what stays as it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ir = pytest.importorskip("onnx_ir")

from espnet_onnx import optimizer
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.static_quantiser import quantise, snr
from espnet_onnx.static_quantiser.calibration import best_clip, ranges
from espnet_onnx.static_quantiser.upsampling import as_convolution, fits
from espnet_onnx.types import Feed, Quantise

pytestmark = pytest.mark.export

RNG = np.random.default_rng(0)
SPEC = Quantise(op_types=("Conv", "LeakyRelu"), calibrate=True)
FEEDS = [{"x": RNG.standard_normal((2, 8, 40), np.float32)} for _ in range(3)]
HEAD = '<ir_version: 10, opset_import: ["": 20]>'


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def saved(path: Path, body: str, **weights: np.ndarray) -> Path:
    model = onnx.parser.parse_model(f"{HEAD} g (float[B, 8, T] x) => (float y) {{{body}}}")
    model.graph.output[0].type.tensor_type.ClearField("shape")
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in weights.items()
    )
    made = ir.from_proto(model)
    for i, node in enumerate(made.graph):
        node.name = f"{node.op_type}{i}"
    optimizer.save(made, path)
    return path


def run(path: Path, feed: Feed = FEEDS[0]) -> np.ndarray:
    return OrtSession(path, session_options(1), ["CPUExecutionProvider"])(**feed)[0]


def test_convolutions_are_int8_but_for_the_last(tmp_path: Path) -> None:
    body = """a = Conv<pads=[1, 1]>(x, w, b) c = LeakyRelu<alpha=0.1>(a)
              d = Conv<pads=[1, 1]>(c, w) e = LeakyRelu<alpha=0.1>(d)
              f = Conv<pads=[1, 1]>(e, w) y = Tanh(f)"""
    src = saved(tmp_path / "g.onnx", body, w=0.2 * normal(8, 8, 3), b=normal(8))
    report = quantise(src, tmp_path / "int8.onnx", SPEC, FEEDS[1:])
    assert report == {"quantised": {"Conv": 2, "LeakyRelu": 2}, "kept": {"makes an output": 1}}
    got, want = run(tmp_path / "int8.onnx"), run(src)
    assert 25 < snr([(got, want)]) < 60
    weights = [v.const_value for v in ir.load(tmp_path / "int8.onnx").graph.initializers.values()]
    per_channel = [t for t in weights if t is not None and t.dtype == ir.DataType.INT8 and t.size]
    assert any(t.shape == (8, 8, 3) for t in per_channel)


def test_a_name_can_be_excluded(tmp_path: Path) -> None:
    body = "a = Conv(x, w) b = Conv(a, w) y = Conv(b, w)"
    src = saved(tmp_path / "g.onnx", body, w=normal(8, 8, 1))
    spec = Quantise(op_types=("Conv",), exclude=("^Conv0$",), calibrate=True)
    report = quantise(src, tmp_path / "int8.onnx", spec, FEEDS)
    kept = {"excluded by ^Conv0$": 1, "makes an output": 1}
    assert report == {"quantised": {"Conv": 1}, "kept": kept}


def test_what_moves_values_moves_8_bits(tmp_path: Path) -> None:
    body = """a = Conv(x, w) l = LeakyRelu<alpha=0.1>(a) p = Pad<mode="constant">(l, sides)
              g = GatherElements<axis=2>(p, at) s = ScatterElements<axis=2>(p, to, g)
              d = Conv(s, w) y = Conv(d, w)"""
    indices = {"at": np.full((2, 8, 1), 3), "to": np.full((2, 8, 1), 5)}
    sides = np.array([0, 0, 2, 0, 0, 2])
    src = saved(tmp_path / "g.onnx", body, w=normal(8, 8, 1), sides=sides, **indices)
    quantise(src, tmp_path / "int8.onnx", SPEC, FEEDS)
    graph = ir.load(tmp_path / "int8.onnx").graph
    types = Counter(node.op_type for node in graph)
    # Of x, of three outputs; nothing is quantised twice.
    assert types["QuantizeLinear"] == 4
    for node in graph:
        if node.op_type in ("Pad", "ScatterElements"):
            assert node.inputs[0].producer().op_type in ("QuantizeLinear", "Pad")
    assert snr([(run(tmp_path / "int8.onnx"), run(src))]) > 25


@pytest.mark.parametrize(
    ("stride", "taps", "pads", "extra", "bias"),
    [
        (8, 16, (4, 4), 0, True),
        (3, 6, (2, 2), 1, False),
        (2, 5, (0, 1), 0, True),
        (5, 3, (0, 2), 1, True),
    ],
)
def test_a_transposed_convolution_is_a_plain_one(
    stride: int, taps: int, pads: tuple[int, int], extra: int, bias: bool, tmp_path: Path
) -> None:
    options = f"strides=[{stride}], pads=[{pads[0]}, {pads[1]}], output_padding=[{extra}]"
    body = f"y = ConvTranspose<{options}>(x, w{', b' if bias else ''})"
    weights = {"w": normal(8, 6, taps), **({"b": normal(6)} if bias else {})}
    src = saved(tmp_path / "g.onnx", body, **weights)
    model = ir.load(src)
    (node,) = model.graph
    assert fits(node)
    assert as_convolution(model.graph, node).op_type == "Conv"
    optimizer.save(optimizer.clean(model), tmp_path / "plain.onnx")
    got, want = run(tmp_path / "plain.onnx"), run(src)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_rows_of_time_are_taken_too(tmp_path: Path) -> None:
    body = """r = Reshape(x, rows)
              y = ConvTranspose<strides=[1, 4], pads=[0, 2, 0, 1], output_padding=[0, 1]>(r, w)"""
    weights = {"rows": np.array([0, 8, 1, -1]), "w": normal(8, 6, 1, 7)}
    src = saved(tmp_path / "g.onnx", body, **weights)
    model = ir.load(src)
    node = model.graph[-1]
    assert fits(node)
    as_convolution(model.graph, node)
    optimizer.save(optimizer.clean(model), tmp_path / "plain.onnx")
    np.testing.assert_allclose(run(tmp_path / "plain.onnx"), run(src), atol=1e-5)


def test_a_transposed_convolution_of_groups_is_left_alone(tmp_path: Path) -> None:
    src = saved(tmp_path / "g.onnx", "y = ConvTranspose<group=2>(x, w)", w=normal(8, 3, 4))
    (node,) = ir.load(src).graph
    assert not fits(node)


def test_ranges_are_those_of_all_inputs_and_clip_what_is_rare(tmp_path: Path) -> None:
    src = saved(tmp_path / "g.onnx", "a = Abs(x) y = Mul(a, a)")
    low, high = ranges(ir.load(src), ["a"], FEEDS)["a"]
    most = max(np.abs(feed["x"]).max() for feed in FEEDS)
    assert low == 0 and 0.6 * most < high <= most
    assert best_clip(np.ones(2048), -1, 1) == (-1, 1)
    lonely = np.array([1.0, *[0] * 50, *[1e6] * 10, *[0] * 39])
    assert best_clip(lonely, -1, 1)[0] > -0.5


def test_snr_is_that_of_all_pairs() -> None:
    want = np.ones(50, np.float32)
    assert snr([(want, want)]) == float("inf")
    assert snr([(0.9 * want, want)]) == pytest.approx(20, abs=1e-3)
    assert snr([(0.9 * want, want), (want, want)]) == pytest.approx(23.01, abs=1e-2)
