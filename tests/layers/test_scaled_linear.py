"""A number behind a linear layer moves into its weights."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

onnx = pytest.importorskip("onnx")
ir = pytest.importorskip("onnx_ir")

from espnet_onnx import optimizer
from espnet_onnx.layers.fusions import fusion_rules

pytestmark = pytest.mark.export

RNG = np.random.default_rng(0)
W, B, HALF = (RNG.standard_normal(shape).astype(np.float32) for shape in ((4, 6), (6,), ()))
X = RNG.standard_normal((2, 3, 4)).astype(np.float32)


def fused(body: str, **weights: np.ndarray) -> tuple[Any, dict[str, int], float]:
    """The rewritten graph, what was counted and the largest difference of the result."""
    head = '<ir_version: 10, opset_import: ["": 20]>'
    model = onnx.parser.parse_model(f"{head} g (float[B, T, 4] x) => (float[B, T, 6] y) {{{body}}}")
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in weights.items()
    )
    before = run(model)
    graph, counts = optimizer.fuse(model, fusion_rules())
    return graph, counts, float(np.abs(run(ir.to_proto(graph)) - before).max())


def run(model: Any) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X})[0]


def operators(model: Any) -> Counter[str]:
    return Counter(node.op_type for node in model.graph)


def test_with_bias() -> None:
    body = "p = MatMul(x, w) q = Add(p, b) y = Mul(q, half)"
    graph, counts, difference = fused(body, w=W, b=B, half=HALF)
    assert counts == {"ScaledBiasedLinear": 1, "ScaledLinear": 0}
    assert operators(graph) == {"MatMul": 1, "Add": 1}
    assert difference < 1e-6


def test_without_bias() -> None:
    graph, counts, difference = fused("p = MatMul(x, w) y = Mul(p, half)", w=W, half=HALF[None])
    assert counts == {"ScaledBiasedLinear": 0, "ScaledLinear": 1}
    assert operators(graph) == {"MatMul": 1}
    assert difference < 1e-6


@pytest.mark.parametrize(
    ("why", "body"),
    [
        ("a factor for every value", "p = MatMul(x, w) y = Mul(p, b)"),
        ("another reader", "p = MatMul(x, w) q = Mul(p, half) y = Add(p, q)"),
        (
            "a computed weight",
            "m = ReduceMean<keepdims=0>(x) u = Add(w, m) p = MatMul(x, u) y = Mul(p, half)",
        ),
    ],
)
def test_what_must_stay_stays(why: str, body: str) -> None:
    graph, counts, difference = fused(body, w=W, b=B, half=HALF)
    assert not any(counts.values()), why
    assert operators(graph)["Mul"] == 1
    assert difference < 1e-6


def test_a_shared_weight_is_not_copied() -> None:
    body = "p = MatMul(x, w) q = Mul(p, half) r = Relu(x) s = MatMul(r, w) y = Add(q, s)"
    graph, counts, _ = fused(body, w=W, half=HALF)
    assert counts == {"ScaledBiasedLinear": 0, "ScaledLinear": 0}
    assert set(graph.graph.initializers) == {"w", "half"}
