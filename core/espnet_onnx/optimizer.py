"""Rewrites a traced graph with fusion rules, counts what they did, and writes it to disk.

Needs onnx_ir and onnxscript; nothing that runs a bundle imports this module.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript import optimizer as folding

from .types import Array

__all__ = ["clean", "fuse", "save"]

# A smaller graph carries its weights in the .onnx file itself.
_INLINE_BYTES = 2**20
# Older onnxruntimes map external data into memory only at such offsets (Windows granularity).
_ALIGNMENT = 2**16


def fuse(
    model: ir.Model | onnx.ModelProto, rules: Sequence[Any]
) -> tuple[ir.Model, dict[str, int]]:
    """Fold constants, apply rules in order and remove what nothing uses any more.

    Args:
        model: a traced graph; an `ir.Model` is changed in place.
        rules: onnxscript rewrite rules, applied one after the other; rules of the same name
            share one count.

    Returns:
        The model, and for every rule's name how often it was applied.
    """
    if isinstance(model, onnx.ModelProto):
        model = ir.from_proto(model)
    _name_nodes(model.graph)
    _fold(model)
    counts = {str(rule): 0 for rule in rules}
    for rule in rules:
        counts[str(rule)] += rule.apply_to_model(model)
    if any(counts.values()):
        _fold(model)
    return clean(model), counts


def clean(model: ir.Model) -> ir.Model:
    """Share equal weights and nodes; remove unused nodes, weights, outputs and debug text."""
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.RemoveUnusedNodesPass()(model)
    _share_weights(model.graph)
    for step in (
        common.CommonSubexpressionEliminationPass,
        common.RemoveUnusedNodesPass,
        common.RemoveUnusedFunctionsPass,
        common.RemoveUnusedOpsetsPass,
        common.ClearMetadataAndDocStringPass,
        common.NameFixPass,
    ):
        step()(model)
    return model


def save(model: ir.Model, path: Path) -> None:
    """Write `path` (.onnx) and, unless the weights are few, `<path>.data` with the weights.

    Equal models give equal bytes. Shapes of inner values are kept: onnxruntime's own fusions
    read them.
    """
    weights = sum(tensor.nbytes for _, tensor in _weights(model.graph))
    if weights <= _INLINE_BYTES:
        ir.save(model, path)
        return
    ir.save(model, path, external_data=path.name + ".data", alignment=_ALIGNMENT)


def _weights(graph: ir.Graph) -> list[tuple[ir.Value, ir.TensorProtocol]]:
    return [(v, v.const_value) for v in graph.initializers.values() if v.const_value is not None]


def _share_weights(graph: ir.Graph) -> None:
    # A weight may be a transposed view, which onnx_ir's own passes cannot hash without a copy.
    seen: dict[Any, list[tuple[ir.Value, Array]]] = {}
    for value, tensor in _weights(graph):
        if value.is_graph_input() or value.is_graph_output():
            continue
        array = tensor.numpy()
        equal = seen.setdefault((tensor.dtype, array.shape, array.flat[:8].tobytes()), [])
        twin = next((v for v, other in equal if np.array_equal(other, array)), None)
        if twin is None:
            equal.append((value, array))
        else:
            ir.convenience.replace_all_uses_with(value, twin)


def _fold(model: ir.Model) -> None:
    # A linear layer arrives as MatMul(x, Transpose(weight)): fold it whatever its size.
    folding.optimize_ir(model, should_fold=_is_weight_layout, onnx_shape_inference=True)


def _is_weight_layout(node: ir.Node) -> bool | None:
    if node.op_type in ("Transpose", "Reshape", "Unsqueeze", "Squeeze"):
        first = node.inputs[0]
        if first is not None and first.is_initializer():
            return True
    return None


def _name_nodes(graph: ir.Graph) -> None:
    """Name nodes after the module they come from: `encoders.0.feed_forward.w_1/MatMul`."""
    seen: Counter[str] = Counter()
    for node in graph.all_nodes():
        scopes = ast.literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
        if len(scopes) < 2:
            continue
        name = f"{scopes[-2]}/{node.op_type}".lstrip("/")
        node.name = f"{name}_{seen[name]}" if seen[name] else name
        seen[name] += 1
