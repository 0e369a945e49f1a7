"""What tracing does again for every graph, done once in a process of tests.

torch.export sees no values of weights, so the trace of a module is that of any other that differs
in these alone. Parity is measured all the same, every model's own weights against ESPnet's.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import io
import pickle  # noqa: TID251 (never read)
from collections.abc import Iterator
from typing import Any
from unittest import mock

import onnx
import onnx_ir as ir
import torch
from torch.onnx._internal.exporter import _registration

from .. import graphs
from ..tracer import input_names, trace
from ..types import Graph

__all__ = ["shared_traces", "structure", "torchlib_once"]

_traces: dict[str, bytes] = {}


@contextlib.contextmanager
def torchlib_once() -> Iterator[None]:
    """While it lasts, torch.onnx compiles its table of operators once.

    It does so in every export, which is more than half of what a small graph takes.
    """
    made = functools.cache(_registration.ONNXRegistry.from_torchlib)

    def from_torchlib(**options: Any) -> Any:
        registry = copy.copy(made(**options))
        registry.functions = {op: list(found) for op, found in registry.functions.items()}
        return registry

    with mock.patch.object(
        _registration.ONNXRegistry, "from_torchlib", staticmethod(from_torchlib)
    ):
        yield


@contextlib.contextmanager
def shared_traces() -> Iterator[None]:
    """While it lasts, an export traces modules of one `structure` once."""
    with mock.patch.object(graphs, "trace", _trace):
        yield


def structure(graph: Graph) -> str:
    """A digest of all that a trace depends on: the module but for the values of its parameters,
    the names of outputs and axes, and the shapes of the feed.

    Raises:
        Exception: the module cannot be pickled.
    """
    feed = graph.feed(max(graph.trials, key=len))
    shapes = [(name, str(feed[name].dtype), feed[name].shape) for name in input_names(graph)]
    file = io.BytesIO()
    free = {id(parameter) for parameter in graph.module.parameters()}
    _Structure(file, free).dump((shapes, dict(graph.axes), list(graph.outputs), graph.module))
    return hashlib.sha256(file.getvalue()).hexdigest()


class _Structure(pickle.Pickler):
    """Writes of a free tensor, by id, its shape; of any other its values."""

    def __init__(self, file: io.BytesIO, free: set[int]) -> None:
        super().__init__(file)
        self._free = free

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, torch.Tensor):
            return NotImplemented
        values = None if id(obj) in self._free else obj.detach().numpy().tobytes()
        return tuple, ((str(obj.dtype), tuple(obj.shape), values),)


def _trace(graph: Graph) -> Any:
    try:
        key = structure(graph)
    except Exception:  # whatever a module has that cannot be pickled
        return trace(graph)
    if key not in _traces:
        _traces[key] = ir.to_proto(trace(graph)).SerializeToString()
    model = ir.from_proto(onnx.ModelProto.FromString(_traces[key]))
    parameters = dict(graph.module.named_parameters(remove_duplicate=False))
    for name, value in model.graph.initializers.items():
        if name in parameters:
            value.const_value = ir.tensor(parameters[name].detach().numpy(), name=name)
    return model
