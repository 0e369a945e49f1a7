"""Checks of a plugin's graphs: sound ONNX, equal to ESPnet at every length, int8 close to fp32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from ..graphs import runner, verdict
from ..parity import compare, expect
from ..runtime import OrtSession, session_options
from ..types import Graph
from .specimen import Exhibit, Specimen

__all__ = [
    "check_axes",
    "check_feeds",
    "check_int8",
    "check_minute",
    "check_onnx",
    "check_parity",
    "lengths_of",
]

CPU = ("CPUExecutionProvider",)
STOCK = ("", "ai.onnx", "com.microsoft")
SECONDS = (10, 60)


def check_onnx(specimen: Specimen) -> None:
    """Every graph in the bundle passes onnx.checker and names no operators of its own."""
    files = sorted(specimen.bundle.rglob("*.onnx"))
    assert files, "the bundle has no graph"
    for path in files:
        onnx.checker.check_model(str(path), full_check=True)
        model = onnx.load(str(path), load_external_data=False)
        own = {function.domain for function in model.functions}
        foreign = {o.domain for o in model.opset_import} - own - set(STOCK)
        assert not foreign, f"{path.name}: stock onnxruntime knows no operators of {foreign}"
        OrtSession(path, session_options(1), CPU)


def check_feeds(specimen: Specimen) -> None:
    """Graphs are tried with different batches and lengths, and feeds are the same every time."""
    for x in specimen.exhibits():
        sizes = {len(trial) for trial in x.graph.trials}
        lengths = {length for trial in x.graph.trials for length in trial}
        assert len(sizes) > 1, f"{x.label}: all trials have the same batch: add another"
        assert len(lengths) > 1, f"{x.label}: all trials have the same length: add another"
        trial = x.graph.trials[0]
        for name, array in x.graph.feed(trial).items():
            again = x.graph.feed(trial)[name]
            assert np.array_equal(array, again), f"{x.label}: feed gives another {name} each time"


def check_axes(specimen: Specimen) -> None:
    """Axes that a graph calls dynamic are dynamic in the file."""
    for x in specimen.exhibits():
        for name, shape in _session(specimen, x, "fp32").inputs.items():
            for axis, size in zip(x.graph.axes.get(name, ()), shape, strict=False):
                fixed = axis is not None and isinstance(size, int)
                assert not fixed, f"{x.label}: axis {axis} of input {name} is always {size}"


def lengths_of(graph: Graph) -> tuple[int, int, int]:
    """The shortest length of a graph's trials, an odd one, and three times that."""
    batch = max(map(len, graph.trials))
    shortest = min(length for trial in graph.trials for length in trial)
    odd = max(max(trial) for trial in graph.trials if len(trial) == batch) | 1
    return shortest, odd, 3 * odd


def check_parity(specimen: Specimen) -> None:
    """Shortest, odd and three times as long, alone and as a ragged batch of three."""
    for x in specimen.exhibits():
        shortest, odd, long = lengths_of(x.graph)
        trials = ((shortest,), (odd,), (long,), (odd, shortest, long))
        _hold(specimen, x, "fp32", trials)


def check_minute(specimen: Specimen) -> None:
    """10 s and 60 s of audio, where a graph's lengths have a rate."""
    for x in specimen.exhibits():
        if x.graph.rate:
            _hold(specimen, x, "fp32", [[round(s * x.graph.rate)] for s in SECONDS])


def check_int8(specimen: Specimen) -> None:
    """int8 graphs agree as far as `Graph.quantise` asks, and something in them is int8.

    Those that need calibration are not made here.
    """
    nodes = []
    for x in specimen.exhibits():
        if x.graph.quantise and not x.graph.quantise.calibrate:
            nodes.append(sum(x.entry.report["int8"]["nodes"]["quantised"].values()))
            shortest, odd, long = lengths_of(x.graph)
            _hold(specimen, x, "int8", ((odd,), (long,), (odd, shortest, long)))
    assert not nodes or any(nodes), "no weight is large enough for int8: see TinyModel"


def _hold(specimen: Specimen, x: Exhibit, precision: str, trials: Sequence[Sequence[int]]) -> None:
    run = runner(_session(specimen, x, precision), x.graph)
    parity = compare(x.graph, run, expect(x.graph, trials))
    good, wanted = verdict(precision, x.graph, parity)
    assert good, (
        f"{x.label} ({precision}): difference {parity.difference:.2e}, {wanted}, {parity.worst}"
    )


def _session(specimen: Specimen, x: Exhibit, precision: str) -> OrtSession:
    return OrtSession(specimen.bundle / x.entry.files[precision], session_options(1), CPU)
