"""Traces that tests share: of equal structures only, and every model keeps its own weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import espnet_onnx as eo
from espnet_onnx import graphs, optimizer
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.testing import traces

pytestmark = pytest.mark.export

Traced = Callable[[eo.Graph], Any]


class Scaled(torch.nn.Module):
    def __init__(self, seed: int, factor: float = 2.0, shift: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.linear = torch.nn.Linear(3, 2)
        self.twin = self.linear
        self.factor = factor
        self.register_buffer("shift", torch.full((2,), shift))

    def forward(self, x: Any) -> Any:
        return self.twin(self.linear(x)[..., :1].expand(-1, 3)) * self.factor + self.shift


def graph(module: Any, axis: str = "batch") -> eo.Graph:
    def feed(lengths: Any) -> dict[str, Any]:
        return {"x": np.random.default_rng(0).normal(size=(len(lengths), 3)).astype(np.float32)}

    def reference(feed: Any) -> dict[str, Any]:
        with torch.no_grad():
            return {"y": module(torch.from_numpy(feed["x"])).numpy()}

    axes = {"x": (axis, None), "y": (axis, None)}
    return eo.Graph(module, ("y",), axes, feed, reference, [[1, 1], [1]])


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[eo.Graph]]:
    """What was traced rather than taken."""
    found: list[eo.Graph] = []
    real = traces.trace

    def trace(graph: eo.Graph) -> Any:
        found.append(graph)
        return real(graph)

    monkeypatch.setattr(traces, "trace", trace)
    monkeypatch.setattr(traces, "_traces", {})
    with traces.torchlib_once(), traces.shared_traces():
        yield found


def test_one_trace_serves_all_weights(traced: list[eo.Graph], tmp_path: Path) -> None:
    for seed in range(3):
        mine = graph(Scaled(seed))
        optimizer.save(graphs.trace(mine), tmp_path / f"{seed}.onnx")
        session = OrtSession(
            tmp_path / f"{seed}.onnx", session_options(1), ("CPUExecutionProvider",)
        )
        feed = mine.feed([1, 1, 1])
        np.testing.assert_allclose(session(**feed)[0], mine.reference(feed)["y"], atol=1e-6)
    assert len(traced) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda: graph(Scaled(0, factor=3.0)),
        lambda: graph(Scaled(0, shift=1.0)),
        lambda: graph(Scaled(0).double().float().requires_grad_(True).train(False)),
        lambda: graph(Scaled(0), axis="frames"),
    ],
    ids=["attribute", "buffer", "mode", "axis"],
)
def test_another_structure_is_traced(other: Callable[[], eo.Graph], traced: list[eo.Graph]) -> None:
    graphs.trace(graph(Scaled(0)))
    graphs.trace(other())
    assert len(traced) == 2


def test_what_cannot_be_compared_is_traced(traced: list[eo.Graph]) -> None:
    for _ in range(2):
        module = Scaled(0)
        module.hook = lambda: None
        graphs.trace(graph(module))
    assert len(traced) == 2


def test_the_table_of_operators_is_nobodys_to_change() -> None:
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with traces.torchlib_once():
        first = ONNXRegistry.from_torchlib(opset_version=18)
        name = next(iter(first.functions))
        first.functions[name].clear()
        assert ONNXRegistry.from_torchlib(opset_version=18).functions[name]
