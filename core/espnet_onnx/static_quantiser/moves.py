"""Nodes that only move values move them in 8 bits.

A quantiser leaves them in fp32 between DequantizeLinear and QuantizeLinear, and onnxruntime knows
how to pull only some of them (Transpose, Reshape) inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

__all__ = ["MOVES", "move_8_bits", "source"]

# Operator -> which of its inputs are values that it moves.
MOVES = {
    "GatherElements": (0,),
    "Pad": (0, 2),
    "Reshape": (0,),
    "ScatterElements": (0, 2),
    "Slice": (0,),
    "Squeeze": (0,),
    "Transpose": (0,),
    "Unsqueeze": (0,),
}


def source(value: ir.Value) -> ir.Value:
    """Where the values of a tensor were computed, before anything moved them.

    What is scattered into a tensor is taken for a part of it, so it is not followed.
    """
    maker = value.producer()
    while maker is not None and maker.op_type in MOVES:
        assert maker.inputs[0] is not None
        value = maker.inputs[0]
        maker = value.producer()
    return value


def move_8_bits(model: ir.Model) -> None:
    """Let DequantizeLinear sink below what moves its output, in place.

    A QuantizeLinear that meets it there undoes it, if both have the same scale: the ranges of a
    tensor and of its `source` must be one.
    """
    graph = model.graph
    for node in list(graph):
        if node.op_type in MOVES and _dequantised(node.inputs[0]) is not None:
            _sink(graph, node)
    for node in list(graph):
        before = _dequantised(node.inputs[0]) if node.op_type == "QuantizeLinear" else None
        if before is not None and _same(node, before):
            whole = before.inputs[0]
            assert whole is not None
            ir.convenience.replace_all_uses_with(node.outputs[0], whole)
            graph.remove(node, safe=True)


def _dequantised(value: ir.Value | None) -> ir.Node | None:
    """The DequantizeLinear, of a whole tensor at once, that made a value."""
    maker = None if value is None else value.producer()
    if maker is None or maker.op_type != "DequantizeLinear":
        return None
    scale = _constant(maker.inputs[1])
    return maker if scale is not None and scale.ndim == 0 else None


def _constant(value: ir.Value | None) -> Any:
    return None if value is None or value.const_value is None else value.const_value.numpy()


def _same(a: ir.Node, b: ir.Node) -> bool:
    pairs = zip(a.inputs[1:], b.inputs[1:], strict=True)
    return all(x is y or np.array_equal(_constant(x), _constant(y)) for x, y in pairs)


def _sink(graph: ir.Graph, node: ir.Node) -> None:
    above = _dequantised(node.inputs[0])
    assert above is not None
    _, scale, zero = above.inputs
    if node.op_type == "Pad" and len(node.inputs) == 2:
        # What it pads with by itself is the integer 0, not the real one.
        node.resize_inputs(3)
        node.replace_input_with(2, zero)
    for i in MOVES[node.op_type]:
        value = node.inputs[i] if i < len(node.inputs) else None
        if value is None or value is zero:
            continue
        made = _dequantised(value)
        if made is not None and _same(made, above):
            node.replace_input_with(i, made.inputs[0])
            continue
        new = ir.node("QuantizeLinear", [value, scale, zero], name=f"{node.name}/quantise_{i}")
        graph.insert_before(node, new)
        node.replace_input_with(i, new.outputs[0])
    moved = node.outputs[0]
    users = list(moved.uses())
    below = ir.node("DequantizeLinear", [moved, scale, zero], name=f"{node.name}/dequantise")
    graph.insert_after(node, below)
    for user, i in users:
        user.replace_input_with(i, below.outputs[0])
