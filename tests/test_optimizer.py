"""Rules applied with counts, graphs cleaned and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

onnx = pytest.importorskip("onnx")
ir = pytest.importorskip("onnx_ir")
pattern = pytest.importorskip("onnxscript.rewriter.pattern")

from espnet_onnx import optimizer

pytestmark = pytest.mark.export


class DoubleNegation(pattern.RewriteRuleClassBase):
    def pattern(self, op: Any, x: Any) -> Any:
        return op.Neg(op.Neg(x))

    def rewrite(self, op: Any, x: Any) -> Any:
        return op.Identity(x)


class NothingHere(DoubleNegation):
    def pattern(self, op: Any, x: Any) -> Any:
        return op.Erf(op.Erf(x))


def parse(body: str, **weights: np.ndarray) -> Any:
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": 20]> g (float[B, 4] x) => (float[B, N] y) {{{body}}}'
    )
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in weights.items()
    )
    return model


def run(path: Path, **feed: np.ndarray) -> list[np.ndarray]:
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feed)


def operators(model: Any) -> list[str]:
    return [node.op_type for node in model.graph]


X = np.arange(8, dtype=np.float32).reshape(2, 4)


def test_counts_and_numbers(tmp_path: Path) -> None:
    model = parse("a = Neg(x) b = Neg(a) c = Exp(b) d = Neg(c) e = Neg(d) y = Sqrt(e)")
    rules = [DoubleNegation.rule(), NothingHere.rule()]
    fused, counts = optimizer.fuse(model, rules)
    assert counts == {"DoubleNegation": 2, "NothingHere": 0}
    assert operators(fused) == ["Exp", "Sqrt"]
    optimizer.save(fused, tmp_path / "g.onnx")
    np.testing.assert_allclose(run(tmp_path / "g.onnx", x=X)[0], np.sqrt(np.exp(X)), rtol=1e-6)


def test_a_transposed_weight_is_folded_whatever_its_size() -> None:
    weight = np.ones((300_000, 4), np.float32)
    fused, _ = optimizer.fuse(parse("t = Transpose<perm=[1, 0]>(w) y = MatMul(x, t)", w=weight), [])
    assert operators(fused) == ["MatMul"]
    (initializer,) = fused.graph.initializers.values()
    assert initializer.const_value.shape == [4, 300_000]


def test_equal_weights_are_shared_and_unused_ones_dropped() -> None:
    weight = np.arange(16, dtype=np.float32).reshape(4, 4)
    near = weight + np.eye(4, dtype=np.float32)[3] * 1e-3  # same first values
    body = "p = MatMul(x, a) q = MatMul(p, b) r = MatMul(q, c) s = MatMul(r, d) y = Add(s, s)"
    model = parse(body, a=weight, b=weight.copy(), c=near, d=weight.T.copy().T, unused=weight + 1)
    fused, _ = optimizer.fuse(model, [])
    assert list(fused.graph.initializers) == ["a", "c"]
    a, b, c, d, _ = (node.inputs[1].name for node in fused.graph)
    assert (a, b, c, d) == ("a", "a", "c", "a")


def test_nodes_are_named_after_their_modules() -> None:
    model = ir.from_proto(parse("a = Neg(x) b = Neg(a) y = Exp(b)"))
    for node in model.graph:
        node.metadata_props["pkg.torch.onnx.name_scopes"] = "['', 'encoders.0', 'neg_3']"
    fused, _ = optimizer.fuse(model, [])
    assert [n.name for n in fused.graph] == [f"encoders.0/{s}" for s in ("Neg", "Neg_1", "Exp")]
    assert not any(node.metadata_props for node in fused.graph)


def test_small_graphs_are_one_file_and_large_ones_two(tmp_path: Path) -> None:
    small, large = tmp_path / "small.onnx", tmp_path / "large.onnx"
    weight = np.random.default_rng(0).standard_normal((4, 100_000)).astype(np.float32)
    optimizer.save(ir.from_proto(parse("y = MatMul(x, w)", w=weight[:, :3])), small)
    optimizer.save(ir.from_proto(parse("y = MatMul(x, w)", w=weight)), large)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "large.onnx",
        "large.onnx.data",
        "small.onnx",
    ]
    assert large.stat().st_size < 1000
    np.testing.assert_allclose(run(small, x=X)[0], X @ weight[:, :3], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run(large, x=X)[0], X @ weight, rtol=1e-4, atol=1e-5)


def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).standard_normal((4, 100_000)).astype(np.float32)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fused, _ = optimizer.fuse(parse("a = Neg(x) y = MatMul(a, w)", w=weight), [])
        optimizer.save(fused, tmp_path / name / "g.onnx")
    for file in ("g.onnx", "g.onnx.data"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
