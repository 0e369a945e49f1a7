"""The gate: every graph against the live ESPnet module, one utterance at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs
import numpy as np

from .types import Array, Feed, Graph

__all__ = ["Expected", "Parity", "compare", "cosine", "cut", "difference", "expect"]

Run = Callable[[Feed], Mapping[str, Array]]


@attrs.frozen
class Parity:
    """How far a graph is from its reference over all trials.

    Attributes:
        difference: the largest max|a-b| / max(1, max|b|) over outputs, trials and utterances.
        cosine: the smallest cosine over the same.
        trials: what was tried, lengths as the graph counts them.
        worst: the output and trial of the largest difference.
    """

    difference: float
    cosine: float
    trials: Sequence[Sequence[int]]
    worst: str = ""


@attrs.frozen
class Expected:
    """One trial: its lengths, the batched feed, and the reference's outputs per utterance."""

    lengths: list[int]
    feed: Feed
    wanted: list[Feed]


def difference(a: Array, b: Array) -> float:
    """max|a-b| / max(1, max|b|); inf where shapes or what is not finite differ."""
    if not _comparable(a, b):
        return float("inf")
    if not b.size:
        return 0.0
    a, b = _finite(a), _finite(b)
    return float(np.abs(a - b).max() / max(1.0, np.abs(b).max()))


def cosine(a: Array, b: Array) -> float:
    """Cosine of two arrays taken as vectors; 1 for two zero vectors, -1 where shapes or what is
    not finite differ."""
    if not _comparable(a, b):
        return -1.0
    x, y = _finite(a).ravel(), _finite(b).ravel()
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / norm) if norm > 0 else float(np.allclose(x, y))


def _comparable(a: Array, b: Array) -> bool:
    """Whether shapes and signed infinities are the same, and no NaN hides what would have been."""
    if a.shape != b.shape:
        return False
    odd = ~(np.isfinite(a) & np.isfinite(b))
    return np.array_equal(a[odd], b[odd])


def _finite(a: Array) -> Array:
    return np.where(np.isfinite(a), a, 0).astype(np.float64)


def cut(graph: Graph, tensors: Mapping[str, Array], valid: Mapping[str, Array], b: int) -> Feed:
    """Utterance `b` alone: batch 1, every axis that has lengths cut to its valid size.

    Args:
        valid: tensor name -> array, where the names in `graph.lengths` are looked up.
    """
    out = {}
    for name, array in tensors.items():
        for axis, label in enumerate(graph.axes.get(name, ())):
            if label == "batch":
                array = array.take([b], axis)
            elif label is not None and label in graph.lengths:
                size = int(valid[graph.lengths[label]][b])
                array = array.take(range(size), axis)
        out[name] = array
    return out


def expect(graph: Graph, trials: Sequence[Sequence[int]] | None = None) -> list[Expected]:
    """What the reference says, utterance by utterance.

    Args:
        trials: lengths to try; None takes the graph's own.
    """
    out = []
    for lengths in graph.trials if trials is None else trials:
        feed = graph.feed(lengths)
        wanted = [graph.reference(cut(graph, feed, feed, b)) for b in range(len(lengths))]
        out.append(Expected(list(map(int, lengths)), feed, wanted))
    return out


def compare(graph: Graph, run: Run, expected: Sequence[Expected]) -> Parity:
    """Run the ONNX side on whole batches and compare each utterance with its expectation.

    Args:
        run: takes a feed, returns outputs by name.
    """
    worst, least, where = 0.0, 1.0, ""
    for trial in expected:
        got = run(trial.feed)
        for b, want in enumerate(trial.wanted):
            mine = cut(graph, got, {**trial.feed, **got}, b)
            for name in graph.outputs:
                d = difference(mine[name], want[name])
                least = min(least, cosine(mine[name], want[name]))
                if d > worst or not where:
                    worst, where = max(d, worst), f"{name}, lengths {tuple(trial.lengths)}"
    return Parity(worst, least, [t.lengths for t in expected], where)
