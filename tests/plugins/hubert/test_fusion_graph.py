"""Attention of self-supervised models becomes one operator of onnxruntime."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
ir = pytest.importorskip("onnx_ir")
pytest.importorskip("s3prl", reason="where the models come from")

import espnet_onnx as eo
from espnet_onnx import optimizer, tracer
from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.parity import compare, expect
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx_plugin_hubert import fusion_patterns
from espnet_onnx_plugin_hubert.anatomy_graph import Attention
from espnet_onnx_plugin_hubert.fusion_graph import fusion_rules
from espnet_onnx_plugin_hubert.speech_attention_graph import SpeechAttention

pytestmark = pytest.mark.export

CPU = ("CPUExecutionProvider",)
WIDTH, HEADS = 64, 4
EXPECTED = {"plain": "PlainAttention", "gated": "BiasedAttention", "ungated": "BiasedAttention"}


class Layer(torch.nn.Module):
    """One attention of `kind` over (B, T, D), with distances (H, T, T) where it has any."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        linear = [torch.nn.Linear(WIDTH, WIDTH) for _ in range(4)]
        gate = (torch.nn.Linear(WIDTH // HEADS, 8), torch.randn(HEADS))
        parts = Attention(*linear, heads=HEADS, gate=gate if kind == "gated" else None)
        self.attention = SpeechAttention(parts)
        self.slope = None if kind == "plain" else torch.randn(HEADS, 1, 1)

    def forward(self, x: Any, lengths: Any) -> Any:
        mask = frame_mask(lengths, x.shape[1])
        steps = torch.arange(x.shape[1])
        far = None if self.slope is None else self.slope * (steps[None] - steps[:, None]).abs()
        return self.attention(x, mask.bias, far) * mask.valid


def graph_of(layer: Layer) -> eo.Graph:
    def feed(lengths: Any) -> dict[str, np.ndarray]:
        shape = (len(lengths), max(lengths), WIDTH)
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        return {"x": x, "lengths": np.array(lengths)}

    def reference(one: Any) -> dict[str, np.ndarray]:
        with torch.no_grad():
            return {"y": layer(*(torch.from_numpy(one[k]) for k in ("x", "lengths"))).numpy()}

    return eo.Graph(
        module=layer.eval(),
        outputs=("y",),
        axes={
            "x": ("batch", "frames", None),
            "lengths": ("batch",),
            "y": ("batch", "frames", None),
        },
        lengths={"frames": "lengths"},
        feed=feed,
        reference=reference,
        trials=[[9], [3, 12, 7]],
    )


def parity(graph: eo.Graph, path: Path) -> Any:
    session = OrtSession(path, session_options(1), CPU)
    return compare(graph, lambda feed: {"y": session(**feed)[0]}, expect(graph))


@pytest.mark.parametrize("kind", EXPECTED)
def test_every_kind_of_attention(kind: str, tmp_path: Path) -> None:
    graph = graph_of(Layer(kind))
    model, counts = optimizer.fuse(tracer.trace(graph), fusion_rules())
    assert counts == {"PlainAttention": 0, "BiasedAttention": 0, EXPECTED[kind]: 1}
    kinds = Counter(node.op_type for node in model.graph)
    assert kinds["MultiHeadAttention"] == 1
    assert not kinds["Softmax"]
    # Of the linear layers' products all are left, and the gate's; of the attention's none.
    assert kinds["MatMul"] == (5 if kind == "gated" else 4)
    optimizer.save(model, tmp_path / "fp32.onnx")
    assert parity(graph, tmp_path / "fp32.onnx").difference < 1e-5


BODY = """rows = Constant<value_ints=[1, -1, 4, 16]>() flat = Constant<value_ints=[1, -1, 64]>()
q1 = Reshape(x, rows) q = Transpose<perm=[0, 2, 1, 3]>(q1)
k1 = Reshape(x, rows) k = Transpose<perm=[0, 2, 3, 1]>(k1)
v1 = Reshape(x, rows) v = Transpose<perm=[0, 2, 1, 3]>(v1)
s = MatMul(q, k) t = Mul(s, scale) m = Add(t, mask) p = Softmax<axis=-1>(m)
c = MatMul(p, v) d = Transpose<perm=[0, 2, 1, 3]>(c) y = Reshape(d, flat)"""
HEAD = '<ir_version: 10, opset_import: ["": 20]> g (float[1, T, 64] x, float[1, 1, 1, T] mask'


@pytest.mark.parametrize(
    ("why", "more", "body"),
    [
        ("a mask that no lengths made", "", f"scale = Constant<value_float=0.25>() {BODY}"),
        ("a computed scale", ", float scale", BODY),
        (
            "another reader of the scores",
            "",
            f"scale = Constant<value_float=0.25>() {BODY} z = Abs(m)",
        ),
    ],
)
def test_what_must_stay_stays(why: str, more: str, body: str) -> None:
    import onnx

    outputs = "float[1, T, 64] y" + (", float[1, 4, T, T] z" if "z =" in body else "")
    model = onnx.parser.parse_model(f"{HEAD}{more}) => ({outputs}) {{{body}}}")
    model, counts = optimizer.fuse(model, fusion_rules())
    assert not any(counts.values()), why
    assert Counter(node.op_type for node in model.graph)["Softmax"] == 1


def test_only_this_plugins_graphs_are_rewritten() -> None:
    assert [str(rule) for rule in fusion_patterns("hubert.frontend")] == [
        "PlainAttention",
        "BiasedAttention",
    ]
    assert fusion_patterns("lm.transformer") is None
