"""A live model's runtime over graphs that torch runs: what a bundle answers, without the export.

The conformance kit holds the ONNX form of every graph to the same modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

import espnet_onnx as eo
from espnet_onnx import components
from espnet_onnx.graphs import graphs_of
from espnet_onnx.loader import Loaded
from espnet_onnx.manager import Manager
from espnet_onnx.resolver import Claim, require, resolve
from espnet_onnx.tracer import input_names
from espnet_onnx.types import Array

__all__ = ["runtime"]


class _Session:
    """See `roles.Session`."""

    def __init__(self, graph: eo.Graph) -> None:
        self._module, self._names = graph.module, input_names(graph)
        feed = graph.feed(graph.trials[0])
        self.inputs: Mapping[str, Sequence[int | str]] = {
            n: [a or s for a, s in zip(graph.axes[n], feed[n].shape, strict=True)]
            for n in self._names
        }

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        tensors = [torch.from_numpy(np.ascontiguousarray(feed[n])) for n in self._names]
        with torch.no_grad():
            out = self._module(*tensors)
        return tuple(t.numpy() for t in (out if isinstance(out, tuple) else (out,)))


def runtime(loaded: Loaded) -> Any:
    """What `espnet_onnx.load` would return for the model's bundle."""
    manager = Manager.load()
    root, _ = components.root(
        loaded.config, base=loaded.base, module=loaded.model, task=loaded.task
    )
    claim = resolve(root, manager)
    require(claim)
    return _built(claim, manager)[0]


def _built(claim: Claim, manager: Manager) -> tuple[Any, eo.Node]:
    assert claim.part is not None and claim.plugin is not None
    below = {name: _built(c, manager) for name, c in claim.children.items()}
    graphs = graphs_of(claim, manager)
    node = eo.Node(
        claim.path,
        claim.part.kind,
        claim.plugin,
        claim.part.config,
        tuple(graphs),
        claim.part.files,
        {name: n for name, (_, n) in below.items()},
    )
    children = {name: r for name, (r, _) in below.items()}
    built = manager.ask_owner(
        claim.plugin,
        "build_runtime",
        node=node,
        children=children,
        open_session=lambda name: _Session(graphs[name]),
    )
    return built, node
