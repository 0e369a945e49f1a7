"""A model's run time with torch in the place of onnxruntime: exact, and there in no time.

What the conformance kit shows of graphs, this need not show again: it is for many variants of a
model, whose graphs need no tracing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_onnx import components, loader, sources
from espnet_onnx.graphs import graphs_of
from espnet_onnx.manager import Manager
from espnet_onnx.resolver import Claim, require, resolve
from espnet_onnx.testing import TinyModel, write_model
from espnet_onnx.tracer import input_names
from espnet_onnx.types import Array, Graph, Node

__all__ = ["eager", "tiny"]


class _Session:
    """A graph's module behind `roles.Session`."""

    def __init__(self, graph: Graph) -> None:
        self._module, self._names = graph.module, input_names(graph)
        feed = graph.feed(graph.trials[0])
        self.inputs = {
            name: [
                axis or size for axis, size in zip(graph.axes[name], feed[name].shape, strict=True)
            ]
            for name in self._names
        }

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        tensors = [torch.from_numpy(np.ascontiguousarray(feed[name])) for name in self._names]
        with torch.no_grad():
            out = self._module(*tensors)
        return tuple(x.numpy() for x in (out if isinstance(out, tuple) else (out,)))


def tiny(config: Mapping[str, Any], folder: Path, task: str) -> loader.Loaded:
    """A live random model of a config, its weights spread so that a wrong step shows."""
    source = sources.find(write_model(TinyModel("tiny", config, task=task), folder / "model"))
    loaded = loader.load_model(source, task)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        for name, parameter in loaded.model.named_parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
            if name.endswith("output_layer.bias"):
                parameter[-1] += 4  # answers of random weights would hardly end
    return loaded


def eager(loaded: loader.Loaded) -> Any:
    """What `espnet_onnx.load` would give of the model's bundle."""
    manager = Manager.load()
    root, _ = components.root(
        loaded.config, base=loaded.base, module=loaded.model, task=loaded.task
    )
    claim = resolve(root, manager)
    require(claim)
    return _build(claim, manager)[1]


def _build(claim: Claim, manager: Manager) -> tuple[Node, Any]:
    assert claim.part is not None and claim.plugin is not None
    built = {name: _build(child, manager) for name, child in claim.children.items()}
    graphs = graphs_of(claim, manager)
    node = Node(
        claim.path,
        claim.part.kind,
        claim.plugin,
        claim.part.config,
        tuple(graphs),
        claim.part.files,
        {name: child for name, (child, _) in built.items()},
    )
    runtime = manager.ask_owner(
        claim.plugin,
        "build_runtime",
        node=node,
        children={name: runtime for name, (_, runtime) in built.items()},
        open_session=lambda name: _Session(graphs[name]),
    )
    assert runtime is not None, f"{claim.plugin} builds no {claim.part.kind}"
    return node, runtime
