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
from onnxscript.rewriter import RewriteRuleSet
from onnxscript.rewriter.rules import common as tidying

from .types import Array

__all__ = ["clean", "fuse", "save"]

# A smaller graph carries its weights in the .onnx file itself.
_INLINE_BYTES = 2**20
# Older onnxruntimes map external data into memory only at such offsets (Windows granularity).
_ALIGNMENT = 2**16

# What onnxscript's own optimizer applies, less the rules that a traced module never needs and
# one whose search is quadratic in the size of the graph.
_TIDYING = RewriteRuleSet(
    [
        *tidying.mul_by_1_rule.commute(),
        *tidying.add_0_rule.commute(),
        tidying.sub_0_rule,
        tidying.div_by_1_rule,
        tidying.dropout_zero_rule,
        tidying.dropout_inference_rule,
        tidying.cast_cast_rule,
        tidying.no_op_cast_rule,
        tidying.cast_constant_of_shape_rule,
        tidying.cast_constant_of_shape_without_value_rule,
        tidying.no_op_expand_rule,
        tidying.collapse_slice_rule,
        tidying.collapse_slice2_rule,
        tidying.materialize_reshape_shape_rule,
        tidying.flatten_to_reshape_rule,
        tidying.reshape_reshape_rule,
        tidying.squeeze_reshape_1d_rule,
        tidying.unsqueeze_unsqueeze_rule,
        tidying.no_op_transpose_rule,
        tidying.transpose_transpose_rule,
        tidying.normalize_pad_format_conv_rule,
        tidying.fuse_pad_into_conv_rule,
        tidying.fuse_batchnorm_into_conv_rule,
        tidying.fuse_batchnorm_into_conv_transpose_rule,
    ]
)


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
    """Share equal weights and nodes; drop unused ones, debug text and shapes of inner values."""
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
    _forget_shapes(model.graph)
    return model


def save(model: ir.Model, path: Path) -> None:
    """Write `path` (.onnx) and, unless the weights are few, `<path>.data` with the weights.

    Equal models give equal bytes.
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


def _forget_shapes(graph: ir.Graph) -> None:
    # Where onnxruntime 1.31 knows them, it fuses Add and LayerNormalization into
    # SkipLayerNormalization, which on a CPU takes five times as long as the two.
    for node in graph.all_nodes():
        for value in node.outputs:
            if not value.is_graph_output():
                value.shape = value.type = None


def _fold(model: ir.Model) -> None:
    folding.inline(model)
    for _ in range(2):
        folding.fold_constants(model, onnx_shape_inference=True, should_fold=_is_weight_layout)
        _TIDYING.apply_to_model(model)
        common.RemoveUnusedNodesPass()(model)


def _is_weight_layout(node: ir.Node) -> bool | None:
    # A linear layer arrives as MatMul(x, Transpose(weight)): fold it whatever its size.
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
