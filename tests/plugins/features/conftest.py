"""Claims, exports and opens a component the way the pipeline does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import espnet_onnx as eo
import espnet_onnx_plugin_features as plugin
from espnet_onnx.types import Feed


@pytest.fixture(scope="session")
def live_component() -> Callable[..., eo.Component]:
    """An ESPnet class and options -> a component with ESPnet's defaults filled in."""

    def build(role: str, type_: str, cls: Any, **conf: Any) -> eo.Component:
        parameters = inspect.signature(cls).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        return eo.Component(role, role, type_, {**defaults, **conf}, cls(**conf).eval())

    return build


def _claim(component: eo.Component) -> tuple[eo.Part, eo.Graph]:
    part = plugin.split_modules(component)
    assert isinstance(part, eo.Part)
    graphs = plugin.export_module(component, part)
    assert graphs is not None
    assert list(graphs) == [component.role]
    return part, graphs[component.role]


@pytest.fixture(scope="session")
def eager() -> Callable[[eo.Component], tuple[eo.Graph, Any]]:
    """component -> its graph, and the graph's module as `parity.compare` runs it."""
    torch = pytest.importorskip("torch")

    def build(component: eo.Component) -> tuple[eo.Graph, Any]:
        graph = _claim(component)[1]

        def run(feed: Feed) -> Mapping[str, Any]:
            with torch.no_grad():
                outputs = graph.module(*map(torch.from_numpy, feed.values()))
            return {n: o.numpy() for n, o in zip(graph.outputs, outputs, strict=True)}

        return graph, run

    return build


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """component -> its graph, and its runtime over the traced and cleaned ONNX file."""

    def export(component: eo.Component) -> tuple[eo.Graph, Any]:
        from espnet_onnx import optimizer
        from espnet_onnx.runtime import OrtSession, session_options
        from espnet_onnx.tracer import trace

        part, graph = _claim(component)
        model, _ = optimizer.fuse(trace(graph), [])
        path = tmp_path_factory.mktemp(component.type) / "graph.onnx"
        optimizer.save(model, path)
        node = eo.Node(component.role, part.kind, "features", part.config, (component.role,))
        session = OrtSession(path, session_options(1), ("CPUExecutionProvider",))
        return graph, plugin.build_runtime(node, {component.role: session}.__getitem__)

    return export


@pytest.fixture(scope="session")
def through_runtime() -> Callable[[eo.Graph, Any], Any]:
    """A graph and its runtime -> the runtime as `parity.compare` runs it."""

    def wrap(graph: eo.Graph, runtime: Any) -> Any:
        def run(feed: Feed) -> Mapping[str, Any]:
            return dict(zip(graph.outputs, runtime(*feed.values()), strict=True))

        return run

    return wrap
