"""Transposed convolutions as plain ones, which onnxruntime also runs in 8 bits.

Shapes: B utterances, C channels in, N channels out, T steps, S stride, K kernel taps,
Q = ceil(K / S) taps a phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from ..types import Array

__all__ = ["as_convolution", "fits"]

_TO_END = 2**63 - 1


def fits(node: ir.Node) -> bool:
    """Whether `as_convolution` can take a ConvTranspose: of one group, over time or rows of it."""
    weight = _constant(node.inputs[1])
    if weight is None or weight.ndim not in (3, 4) or (_has_bias(node) and _bias(node) is None):
        return False
    if weight.ndim == 4 and not _is_row(node, weight):
        return False
    plain = _get(node, "group", 1) == 1 and set(_get(node, "dilations", [1])) == {1}
    automatic = _get(node, "auto_pad", "NOTSET") != "NOTSET" or "output_shape" in node.attributes
    after = _get(node, "pads", [0, 0])[-1]
    return plain and not automatic and _get(node, "output_padding", [0])[-1] <= after


def _is_row(node: ir.Node, weight: Array) -> bool:
    """Whether an image of height 1 stays as high."""
    pads = _get(node, "pads", [0] * 4)
    grows = _get(node, "output_padding", [0, 0])[0]
    high = (weight.shape[2], _get(node, "strides", [1, 1])[0], pads[0], pads[2], grows)
    return high == (1, 1, 0, 0, 0)


def as_convolution(graph: ir.Graph, node: ir.Node) -> ir.Node:
    """Replace a ConvTranspose, in place.

    Each of the S outputs of a step (its phases) is a convolution of Q taps of its own: they become
    channels of one convolution, which are then laid out as time.

    Returns:
        The convolution.
    """
    weight, bias = _constant(node.inputs[1]), _bias(node)
    assert weight is not None
    flat = weight.reshape(*weight.shape[:2], -1)
    channels, taps = flat.shape[1:]
    stride = int(_get(node, "strides", [1])[-1])
    each = -(-taps // stride)
    rows = weight.ndim - 3  # axes before time, of size 1
    phases = _phases(flat, stride)
    tape = _Tape(graph, node)
    kernel = tape.constant("weight", phases.reshape(*phases.shape[:2], *[1] * rows, each))
    inputs = [node.inputs[0], kernel]
    if bias is not None:
        inputs.append(tape.constant("bias", np.tile(bias, stride)))
    sides = [*[0] * rows, each - 1]
    wave = tape.add("Conv", inputs, pads=[*sides, *sides], kernel_shape=[*[1] * rows, each])
    last = [0, *range(2, rows + 3), 1]
    x = tape.add("Transpose", [wave], perm=last)  # (B, T + Q - 1, S N)
    shape = np.array([0, *[1] * rows, -1, channels])
    x = tape.add("Reshape", [x, tape.constant("shape", shape)])
    pads = _get(node, "pads", [0] * (2 * rows + 2))
    before, after = pads[rows], pads[-1]
    # Behind the last tap of the last step stand phases that no tap reaches.
    after += each * stride - taps - _get(node, "output_padding", [0])[-1]
    bounds = (("starts", before), ("ends", -after if after else _TO_END), ("axes", rows + 1))
    x = tape.add("Slice", [x, *(tape.constant(name, np.array([n])) for name, n in bounds)])
    x = tape.add("Transpose", [x], "back", perm=[0, rows + 2, *range(1, rows + 2)])
    ir.convenience.replace_nodes_and_values(graph, node, [node], [], [node.outputs[0]], [x])
    made = wave.producer()
    assert made is not None
    return made


def _get(node: ir.Node, name: str, default: Any) -> Any:
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.value


def _constant(value: ir.Value | None) -> Array | None:
    if value is None or not value.is_initializer() or value.const_value is None:
        return None
    return value.const_value.numpy()


def _has_bias(node: ir.Node) -> bool:
    return len(node.inputs) > 2 and node.inputs[2] is not None


def _bias(node: ir.Node) -> Array | None:
    return _constant(node.inputs[2]) if _has_bias(node) else None


def _phases(weight: Array, stride: int) -> Array:
    """(C, N, K) of a transposed convolution -> (S N, C, Q) of a plain one, phases outermost."""
    wide, channels, taps = weight.shape
    each = -(-taps // stride)
    full = np.zeros((wide, channels, each * stride), weight.dtype)
    full[:, :, :taps] = weight
    # Step m and phase r hear step m - q by tap r + S q.
    split = full.reshape(wide, channels, each, stride)[:, :, ::-1]
    return np.ascontiguousarray(split.transpose(3, 1, 0, 2).reshape(-1, wide, each))


class _Tape:
    """Adds nodes and constants in front of a node, named after it."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        self.graph, self.node = graph, node

    def add(
        self, op_type: str, inputs: Sequence[ir.Value | None], suffix: str = "", **attributes: Any
    ) -> ir.Value:
        """A node's output."""
        name = f"{self.node.name}/{op_type}{suffix}"
        new = ir.node(op_type, inputs, attributes, name=name)
        new.outputs[0].name = name
        self.graph.insert_before(self.node, new)
        return new.outputs[0]

    def constant(self, name: str, array: Array) -> ir.Value:
        """An initializer."""
        name = f"{self.node.name}/{name}"
        value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
        self.graph.register_initializer(value)
        return value
