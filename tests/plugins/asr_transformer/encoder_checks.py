"""What the encoders' tests have in common: lengths to try, and a graph run eagerly or as ONNX."""

from __future__ import annotations

from pathlib import Path

import torch

import espnet_onnx as eo
from espnet_onnx import optimizer
from espnet_onnx.parity import Parity, compare, expect
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.tracer import trace
from espnet_onnx.types import Feed

__all__ = ["eager", "lengths", "opened"]


def eager(graph: eo.Graph, trials: list[tuple[int, ...]]) -> Parity:
    """Parity of the module that is to be exported, without exporting it."""

    def run(feed: Feed) -> Feed:
        with torch.no_grad():
            out = graph.module(*(torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths")))
        return {name: tensor.numpy() for name, tensor in zip(graph.outputs, out, strict=True)}

    return compare(graph, run, expect(graph, trials))


def lengths(shortest: int) -> list[tuple[int, ...]]:
    """Shortest, even, odd and three times as long, alone and in ragged batches."""
    s = shortest
    return [
        (s,),
        (2 * s + 4,),
        (2 * s + 5,),
        (6 * s + 13,),
        (s, s + 1, 3 * s + 2),
        (s + 6, s, 5 * s + 20),
    ]


def opened(graph: eo.Graph, path: Path) -> OrtSession:
    """The graph traced, fused, written to `path` and open."""
    model, _ = optimizer.fuse(trace(graph), [])
    optimizer.save(model, path)
    return OrtSession(path, session_options(1), ["CPUExecutionProvider"])
