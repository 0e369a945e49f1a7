"""Writes a graph in QDQ form, activations per tensor and weights per output channel."""

from __future__ import annotations

import logging
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from onnxruntime import quantization as ort

from .. import optimizer
from ..types import Feed, Quantise
from .calibration import Range, ranges
from .moves import move_8_bits, source
from .upsampling import as_convolution, fits

__all__ = ["quantise"]

# Nodes with weights: where the last of them before an output stands, its output keeps all levels.
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def quantise(
    src: Path, dst: Path, spec: Quantise, feeds: Sequence[Feed]
) -> dict[str, dict[str, int]]:
    """Write the int8 version of a saved graph; its large weights go to `<dst>.data`.

    Args:
        src: an fp32 graph, as `optimizer.save` wrote it.
        dst: the int8 graph to write.
        spec: which node types and names are quantised; "Conv" covers transposed convolutions,
            which become plain ones. What an output is computed with directly stays in fp32: the
            output would have no more than 256 levels.
        feeds: typical inputs of the graph, at least one.

    Returns:
        `quantised`: node type -> how many are int8 now; `kept`: reason -> how many are not. Where
        none are, nothing is written.
    """
    model = ir.load(src)
    chosen, kept = _chosen(model, spec)
    if not any(node.op_type in _WEIGHTED for node in chosen):
        return {"quantised": {}, "kept": kept}
    for i, node in enumerate(chosen):
        if node.op_type == "ConvTranspose":
            chosen[i] = as_convolution(model.graph, node)
    optimizer.clean(model)
    roots = _roots(chosen)
    found = ranges(model, sorted(set(roots.values())), feeds)
    known = {name: found[root] for name, root in roots.items() if root in found}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        plain, written = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        optimizer.save(model, plain)
        _write(plain, written, chosen, known, _smallest(model, feeds))
        model = ir.load(written)
        move_8_bits(model)
        optimizer.save(optimizer.clean(model), dst)
    floats = [node for node in chosen if node.outputs[0].name in known]
    return {"quantised": dict(Counter(n.op_type for n in floats)), "kept": kept}


def _chosen(model: ir.Model, spec: Quantise) -> tuple[list[ir.Node], dict[str, int]]:
    """Nodes to quantise, and how many are not, by reason."""
    kept: Counter[str] = Counter()
    wanted = {*spec.op_types, *(("ConvTranspose",) if "Conv" in spec.op_types else ())}
    nodes = []
    for node in model.graph:
        if node.op_type not in wanted:
            continue
        reason = next((p for p in spec.exclude if re.search(p, node.name or "")), None)
        if reason is not None:
            kept[f"excluded by {reason}"] += 1
        elif node.op_type == "ConvTranspose" and not fits(node):
            kept["transposed convolution of another form"] += 1
        else:
            nodes.append(node)
    last = _last(model.graph, nodes)
    kept["makes an output"] += sum(node.op_type in _WEIGHTED for node in last)
    return [node for node in nodes if node not in last], dict(+kept)


def _last(graph: ir.Graph, chosen: Sequence[ir.Node]) -> set[ir.Node]:
    """Nodes between which and an output there is no weight that is quantised."""
    weighted = {node for node in chosen if node.op_type in _WEIGHTED}
    found: set[ir.Node] = set()
    left = [value.producer() for value in graph.outputs]
    while left:
        node = left.pop()
        if node is None or node in found:
            continue
        found.add(node)
        if node not in weighted:
            left.extend(value.producer() for value in node.inputs if value is not None)
    return found.intersection(chosen)


def _roots(chosen: Sequence[ir.Node]) -> dict[str, str]:
    """Each tensor that is quantised -> the tensor whose range it shares."""
    roots = {}
    for node in chosen:
        for value in (*node.inputs, *node.outputs):
            if value is None or value.is_initializer():
                continue
            root = source(value)
            roots[str(value.name)] = roots[str(root.name)] = str(root.name)
    return roots


def _smallest(model: ir.Model, feeds: Sequence[Feed]) -> Feed:
    names = [str(value.name) for value in model.graph.inputs]
    smallest = min(feeds, key=lambda feed: sum(feed[name].size for name in names))
    return {name: smallest[name] for name in names}


def _write(
    src: Path, dst: Path, chosen: Sequence[ir.Node], known: Mapping[str, Range], feed: Feed
) -> None:
    """What onnxruntime's own quantiser makes of it; ranges are ours, `feed` only has to run."""
    overrides = {
        name: [{"rmin": np.float32(low), "rmax": np.float32(high)}]
        for name, (low, high) in known.items()
    }
    with _quiet():
        ort.quantize_static(
            str(src),
            str(dst),
            _Once(feed),
            quant_format=ort.QuantFormat.QDQ,
            op_types_to_quantize=sorted({node.op_type for node in chosen}),
            nodes_to_quantize=[node.name for node in chosen],
            per_channel=True,
            activation_type=ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt8,
            extra_options={"TensorQuantOverrides": overrides},
        )


class _Once(ort.CalibrationDataReader):  # type: ignore[misc]
    """One input."""

    def __init__(self, feed: Feed) -> None:
        self._left = [dict(feed)]

    def get_next(self) -> Any:
        return self._left.pop() if self._left else None


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser recommends preprocessing that the graph already had."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
