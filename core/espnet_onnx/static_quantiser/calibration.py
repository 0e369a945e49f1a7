"""Which ranges the tensors of a graph have on given inputs, and where best to clip them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir

from .. import optimizer
from ..runtime import OrtSession, session_options
from ..types import Array, Feed

__all__ = ["Range", "best_clip", "ranges"]

Range = tuple[float, float]

_BINS = 2048
_LEVELS = 255
# Of each tensor no more values than this are counted for an input: a second of sound has millions.
_COUNTED = 2**17
# So many tensors are kept at a time: all those of a second of sound may take half a gigabyte.
_TOGETHER = 48


def ranges(model: ir.Model, tensors: Sequence[str], feeds: Sequence[Feed]) -> dict[str, Range]:
    """Where to clip tensors, so that 8 bits tell most of them.

    Args:
        model: an fp32 graph; unchanged.
        tensors: names of values that it computes; those that are not float32 are left out.
        feeds: inputs of the graph, at least one.
    """
    found: dict[str, Range] = {}
    for start in range(0, len(tensors), _TOGETHER):
        found |= _together(model, tensors[start : start + _TOGETHER], feeds)
    return found


def _together(model: ir.Model, tensors: Sequence[str], feeds: Sequence[Feed]) -> dict[str, Range]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = _observed(model, tensors, Path(folder))
        session = OrtSession(path, session_options(), ("CPUExecutionProvider",))
        whole: dict[str, Range] = {}
        for name, array in _values(session, tensors, feeds):
            low, high = whole.get(name, (0.0, 0.0))
            whole[name] = (min(low, float(array.min())), max(high, float(array.max())))
        counts = {name: np.zeros(_BINS) for name in whole}
        for name, array in _values(session, tensors, feeds):
            some = array.ravel()[:: -(-array.size // _COUNTED)]
            counts[name] += np.histogram(some, _BINS, whole[name])[0]
    return {name: best_clip(counts[name], *whole[name]) for name in whole}


def _observed(model: ir.Model, tensors: Sequence[str], folder: Path) -> Path:
    """A copy of the graph that returns the tensors, too."""
    copy = model.clone()
    values = {value.name: value for node in copy.graph for value in node.outputs}
    values |= {value.name: value for value in copy.graph.inputs}
    outputs = copy.graph.outputs
    outputs.extend(v for v in map(values.__getitem__, tensors) if not v.is_graph_output())
    optimizer.save(copy, folder / "observed.onnx")
    return folder / "observed.onnx"


def _values(
    session: OrtSession, tensors: Sequence[str], feeds: Sequence[Feed]
) -> Iterator[tuple[str, Array]]:
    """Every tensor that has float32 values, for every feed."""
    names, wanted = session.bind().outputs, set(tensors)
    for feed in feeds:
        outputs = session(**{name: feed[name] for name in session.inputs})
        for name, array in zip(names, outputs, strict=True):
            if name in wanted and array.dtype == np.float32 and array.size:
                yield name, array


def best_clip(counts: Array, low: float, high: float) -> Range:
    """The part of a range whose 8-bit values are nearest to what was counted, squares summed.

    Args:
        counts: values in as many equal bins from `low` to `high`, which embrace 0.
    """
    edges = np.linspace(low, high, len(counts) + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    shares = np.linspace(0.2, 1, 81)
    errors = []
    for share in shares:
        outside = np.maximum(middles - share * high, share * low - middles).clip(0)
        rounding = (share * (high - low) / _LEVELS) ** 2 / 12
        errors.append((counts * (outside**2 + rounding)).sum())
    best = float(shares[int(np.argmin(errors))])
    return best * low, best * high
