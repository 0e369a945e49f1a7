"""Dynamic int8 of linear layers and convolutions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

onnx = pytest.importorskip("onnx")
ir = pytest.importorskip("onnx_ir")

from espnet_onnx import optimizer, quantiser
from espnet_onnx.types import Quantise

pytestmark = pytest.mark.export

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def saved(path: Path, shape: str, body: str, **weights: np.ndarray) -> Path:
    head = '<ir_version: 10, opset_import: ["": 20]>'
    model = onnx.parser.parse_model(f"{head} g (float[{shape}] x) => (float y) {{{body}}}")
    model.graph.output[0].type.tensor_type.ClearField("shape")
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in weights.items()
    )
    optimizer.save(ir.from_proto(model), path)
    return path


def run(path: Path, x: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in ir.load(path).graph)


def both(src: Path, x: np.ndarray, spec: Quantise | None = None) -> tuple[Any, Path]:
    """Quantise, compare the results, return the report and the int8 file."""
    dst = src.with_name("int8.onnx")
    report = quantiser.quantise(src, dst, spec or Quantise())
    want, got = run(src, x), run(dst, x)
    assert got.shape == want.shape
    cosine = (want * got).sum() / np.sqrt((want**2).sum() * (got**2).sum())
    assert cosine > 0.9995
    return report, dst


def test_layers_of_one_tensor_share_its_quantisation(tmp_path: Path) -> None:
    body = """q = MatMul(x, wq) k = MatMul(x, wk) kb = Add(bk, k) v = MatMul(x, wv)
              s = Add(q, kb) y = Add(s, v)"""
    weights = {name: normal(128, 192) for name in ("wq", "wk", "wv")}
    src = saved(tmp_path / "g.onnx", "B, T, 128", body, bk=normal(192), **weights)
    report, dst = both(src, normal(2, 7, 128))
    assert report == {"quantised": {"MatMul": 3}, "kept": {}}
    assert operators(dst) == {"DynamicQuantizeLinear": 1, "MatMulIntegerToFloat": 3, "Add": 2}


def test_rows_behind_a_tanh_do_not_depend_on_each_other(tmp_path: Path) -> None:
    body = "t = Tanh(x) y = Gemm(t, w, b)"
    src = saved(tmp_path / "g.onnx", "B, 128", body, w=normal(128, 192), b=normal(192))
    _, dst = both(src, x := normal(3, 128) * np.float32([[0.1], [1], [10]]))
    assert operators(dst) == {"Tanh": 1, "QuantizeLinear": 1, "MatMulIntegerToFloat": 1}
    alone = [run(dst, row[None]) for row in x]
    np.testing.assert_allclose(run(dst, x), np.concatenate(alone), rtol=1e-6, atol=1e-6)


def test_weights_are_a_quarter_and_external(tmp_path: Path) -> None:
    src = saved(tmp_path / "g.onnx", "B, 1024", "y = MatMul(x, w)", w=normal(1024, 2048))
    _, dst = both(src, normal(3, 1024))
    assert dst.stat().st_size < 10_000
    sizes = [path.with_name(path.name + ".data").stat().st_size for path in (src, dst)]
    assert sizes[1] < 0.27 * sizes[0]


def test_every_column_has_its_own_scale(tmp_path: Path) -> None:
    weight = normal(128, 256)
    weight[:, ::2] *= 1000
    src = saved(tmp_path / "g.onnx", "B, 128", "y = MatMul(x, w)", w=weight)
    _, dst = both(src, x := normal(5, 128))
    want, got = run(src, x)[:, 1::2], run(dst, x)[:, 1::2]
    assert np.abs(want - got).max() < 0.02 * np.abs(want).max()


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm(tmp_path: Path, transposed: int) -> None:
    weight = normal(256, 128) if transposed else normal(128, 256)
    body = f"y = Gemm<transB={transposed}>(x, w, b)"
    src = saved(tmp_path / "g.onnx", "B, 128", body, w=weight, b=normal(256))
    report, dst = both(src, normal(9, 128))
    assert report["quantised"] == {"Gemm": 1}
    assert operators(dst) == {"DynamicQuantizeLinear": 1, "MatMulIntegerToFloat": 1}


@pytest.mark.parametrize(
    ("shape", "kernel", "attributes"),
    [
        ((2, 64, 21, 13), (3, 3), "strides=[2, 2]"),
        ((1, 64, 9, 8), (2, 3), "strides=[1, 3], pads=[1, 0, 2, 1]"),
        ((2, 256, 17), (1,), "kernel_shape=[1]"),
        ((2, 96, 50), (5,), "dilations=[3], pads=[6, 6]"),
    ],
)
def test_heavy_convolutions_become_products_of_patches(
    tmp_path: Path, shape: tuple[int, ...], kernel: tuple[int, ...], attributes: str
) -> None:
    weight, bias = normal(72, shape[1], *kernel), normal(72)
    size = ", ".join(["B", str(shape[1]), *"TF"[: len(kernel)]])
    src = saved(tmp_path / "g.onnx", size, f"y = Conv<{attributes}>(x, w, b)", w=weight, b=bias)
    # An offset shows whether padding is the zero of the quantised scale.
    report, dst = both(src, normal(*shape) + 1)
    assert report["quantised"] == {"Conv": 1}
    assert not {"Conv", "ConvInteger"} & set(operators(dst))


def test_what_stays_in_fp32_is_counted_with_its_reason(tmp_path: Path) -> None:
    body = """scores = MatMul(x, x) small = MatMul(scores, tiny) mine = MatMul(small, head)
              wide = Reshape(mine, to) y = Conv<group=64>(wide, depthwise)"""
    weights = {"tiny": normal(64, 64), "head": normal(64, 512), "depthwise": normal(64, 1, 1, 1)}
    src = saved(tmp_path / "g.onnx", "64, 64", body, **weights, to=np.array([8, 64, 8, 8]))
    model = ir.load(src)
    for node, name in zip(
        model.graph, ("scores", "small", "ctc/head", "shape", "conv"), strict=True
    ):
        node.name = name
    optimizer.save(model, src)
    report, _ = both(src, normal(64, 64), Quantise(exclude=["^ctc/"]))
    assert report == {
        "quantised": {},
        "kept": {
            "no constant weight": 1,
            "too small": 1,
            "excluded by ^ctc/": 1,
            "grouped convolution": 1,
        },
    }


def test_nothing_is_quantised_that_the_spec_does_not_name(tmp_path: Path) -> None:
    src = saved(tmp_path / "g.onnx", "B, 128", "y = MatMul(x, w)", w=normal(128, 256))
    report, dst = both(src, normal(2, 128), Quantise(op_types=()))
    assert report == {"quantised": {}, "kept": {}}
    assert operators(dst) == {"MatMul": 1}


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    src = saved(tmp_path / "g.onnx", "B, 512", "y = MatMul(x, w)", w=normal(512, 2500))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        quantiser.quantise(src, tmp_path / name / "g.onnx", Quantise())
    for file in ("g.onnx", "g.onnx.data"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_windows_are_cut_from_quantised_values(tmp_path: Path) -> None:
    body = "n = Mul(x, two) g = Gather<axis=1>(n, taps) p = Reshape(g, size) y = MatMul(p, w)"
    taps = (np.arange(9)[:, None] * 2 + np.arange(3)).ravel()
    src = saved(
        tmp_path / "fp32.onnx",
        "2, 19, 64",
        body,
        two=np.float32(2),
        taps=taps,
        size=np.array([2, 9, 192]),
        w=normal(192, 128),
    )
    report, dst = both(src, normal(2, 19, 64))
    assert report["quantised"] == {"MatMul": 1}
    graph = ir.load(dst).graph
    quantise = next(node for node in graph if node.op_type == "DynamicQuantizeLinear")
    assert quantise.inputs[0].producer().op_type == "Mul"
    assert operators(dst)["Gather"] == operators(dst)["DynamicQuantizeLinear"] == 1
