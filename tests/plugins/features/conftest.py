"""Claims, exports and opens a component the way the pipeline does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import espnet_onnx_plugin_features as plugin
import pytest

import espnet_onnx as eo


@pytest.fixture
def claimed() -> Callable[[eo.Component], eo.Part]:
    def claim(component: eo.Component) -> eo.Part:
        part = plugin.split_modules(component)
        assert isinstance(part, eo.Part)
        return part

    return claim


@pytest.fixture
def exported(tmp_path: Path, claimed: Callable[[eo.Component], eo.Part]) -> Callable[..., Any]:
    """component -> (its graph, its runtime over the traced and cleaned ONNX file)."""

    def export(component: eo.Component) -> tuple[eo.Graph, Any]:
        from espnet_onnx import optimizer
        from espnet_onnx.runtime import OrtSession, session_options
        from espnet_onnx.tracer import trace

        part = claimed(component)
        graphs = plugin.export_module(component, part)
        assert graphs is not None
        ((name, graph),) = graphs.items()
        model, _ = optimizer.fuse(trace(graph), [])
        path = tmp_path / f"{name}.onnx"
        optimizer.save(model, path)
        node = eo.Node(name, part.kind, "features", part.config, (name,))
        session = OrtSession(path, session_options(1), ("CPUExecutionProvider",))
        return graph, plugin.build_runtime(node, {}, {name: session}.__getitem__)

    return export


@pytest.fixture
def live_component() -> Callable[..., eo.Component]:
    """An ESPnet class and options -> a component with ESPnet's defaults filled in."""

    def build(role: str, type_: str, cls: Any, **conf: Any) -> eo.Component:
        parameters = inspect.signature(cls).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        module = cls(**conf).eval()
        return eo.Component(role, role, type_, {**defaults, **conf}, module)

    return build
