"""Every graph of VITS against ESPnet's own, one utterance at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet_onnx import optimizer
from espnet_onnx.graphs import runner
from espnet_onnx.parity import compare, expect
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.tracer import trace

from .live import VARIANTS, Eager, claimed, component

pytestmark = pytest.mark.export

LENGTHS = [(1,), (61,), (7, 33, 2), (301,)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant(variant: str) -> None:
    _, graphs = claimed(component(variant))
    for name, graph in graphs.items():
        parity = compare(graph, Eager(graph).run, expect(graph, LENGTHS))
        assert parity.difference < 1e-5, (name, parity)


@pytest.mark.parametrize("name", ["text", "durations", "flow"])
def test_onnx(name: str, tmp_path: Path) -> None:
    _, graphs = claimed(component("everything"))
    graph, path = graphs[name], tmp_path / f"{name}.onnx"
    optimizer.save(trace(graph), path)
    run = runner(OrtSession(path, session_options(1), ("CPUExecutionProvider",)), graph)
    parity = compare(graph, run, expect(graph, LENGTHS))
    assert parity.difference < 1e-5, parity
