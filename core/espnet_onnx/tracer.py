"""An export-friendly module becomes an ONNX model with dynamic batch and length (needs torch)."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from .types import Feed, Graph

__all__ = ["OPSET", "input_names", "trace"]

OPSET = 20


def input_names(graph: Graph) -> list[str]:
    """Names of the graph's inputs: the parameters of its module's `forward`.

    A module whose `forward` is `(self, *tensors)` names them itself, in `input_names`.
    """
    if _variadic(graph):
        return list(graph.module.input_names)
    return list(inspect.signature(graph.module.forward).parameters)


def trace(graph: Graph) -> Any:
    """Export a graph's module.

    Returns:
        onnx_ir.Model with the graph's input, output and axis names, not yet optimised.
    """
    names = input_names(graph)
    feed = _example(graph)
    example = tuple(torch.from_numpy(np.ascontiguousarray(feed[name])) for name in names)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            graph.module,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            output_names=list(graph.outputs),
            dynamic_shapes=_dynamic_shapes(graph, names),
            optimize=False,
            verbose=False,
        )
    assert program is not None
    model = program.model
    _name_axes(model, graph)
    return model


def _example(graph: Graph) -> Feed:
    # torch.export takes sizes of 0 and 1 for constants: the largest batch is the safest example.
    return graph.feed(max(graph.trials, key=len))


def _dynamic_shapes(graph: Graph, names: list[str]) -> Any:
    shapes = tuple(
        {i: axis for i, axis in enumerate(graph.axes.get(name, ())) if axis} for name in names
    )
    return (shapes,) if _variadic(graph) else shapes


def _variadic(graph: Graph) -> bool:
    parameters = inspect.signature(graph.module.forward).parameters.values()
    return any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _name_axes(model: Any, graph: Graph) -> None:
    for value in [*model.graph.inputs, *model.graph.outputs]:
        axes = graph.axes.get(value.name)
        if not axes or value.shape is None:
            continue
        for i, axis in enumerate(axes):
            if axis:
                value.shape[i] = axis


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's chatter off the terminal; its exceptions say what matters."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
