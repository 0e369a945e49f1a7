"""Dynamic int8: constant weights per output channel, activations per tensor as they come.

Every linear node becomes DynamicQuantizeLinear, shared by all readers of one tensor, and
com.microsoft MatMulIntegerToFloat, bias included; behind a Tanh the range is known. Heavy
convolutions become the same over patches that are cut from the already quantised input, so what is
copied is a quarter the size (onnxruntime's ConvInteger is slower than fp32).

Shapes: B batch, C channels in, N channels out, K values that one output sums over.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from . import optimizer
from .types import Array, Quantise

__all__ = ["quantise", "quantise_model"]

_MICROSOFT = "com.microsoft"
# Below these, quantising the activations costs more than int8 saves.
_SMALLEST_K = 32
_SMALLEST_WEIGHT = 2**14
# A convolution is worth cutting into patches from this K and N on.
_HEAVY_K, _HEAVY_N = 256, 64
_TO_END = 2**63 - 1


def quantise(src: Path, dst: Path, spec: Quantise) -> dict[str, dict[str, int]]:
    """Write the int8 version of a saved graph; its large weights go to `<dst>.data`.

    Args:
        src: an fp32 graph, as `optimizer.save` wrote it.
        dst: the int8 graph to write.
        spec: which node types and names may be quantised. "MatMul" covers Gemm, and every
            convolution of one group that is heavy enough to become a MatMul.

    Returns:
        `quantised`: node type -> how many are int8 now; `kept`: reason -> how many are not.
    """
    model = ir.load(src)
    report = quantise_model(model, spec)
    optimizer.save(model, dst)
    return report


def quantise_model(model: ir.Model, spec: Quantise) -> dict[str, dict[str, int]]:
    """Quantise a graph in place; see `quantise`."""
    graph = model.graph
    writer = _Writer(graph)
    quantised: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for node in list(graph):
        if node.op_type not in ("MatMul", "Gemm", "Conv") or "MatMul" not in spec.op_types:
            continue
        reason = _excluded(node, spec) or _unsuitable(node)
        if reason:
            kept[reason] += 1
            continue
        replace = writer.convolution if node.op_type == "Conv" else writer.linear
        replace(node)
        quantised[node.op_type] += 1
    model.opset_imports.setdefault(_MICROSOFT, 1)
    optimizer.clean(model)
    return {"quantised": dict(quantised), "kept": dict(kept)}


def _excluded(node: ir.Node, spec: Quantise) -> str:
    found = next((p for p in spec.exclude if re.search(p, node.name or "")), None)
    return f"excluded by {found}" if found else ""


def _unsuitable(node: ir.Node) -> str:
    """Why a node stays in fp32; "" where nothing speaks against int8."""
    weight = _constant(node.inputs[1])
    if weight is None or weight.dtype != np.float32:
        return "no constant weight"
    if node.op_type == "Conv":
        return _unsuitable_conv(node, weight)
    if weight.ndim != 2:
        return "weight is not a matrix"
    if node.op_type == "Gemm" and not _plain_gemm(node):
        return "Gemm with factors"
    k, n = _matrix(node, weight).shape
    return "too small" if k < _SMALLEST_K or k * n < _SMALLEST_WEIGHT else ""


def _unsuitable_conv(node: ir.Node, weight: Array) -> str:
    if _get(node, "group", 1) != 1:
        return "grouped convolution"
    if _get(node, "auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return "automatic padding"
    n, k = len(weight), weight[0].size
    return "light convolution" if k < _HEAVY_K or n < _HEAVY_N else ""


def _plain_gemm(node: ir.Node) -> bool:
    factors = (_get(node, "alpha", 1.0), _get(node, "beta", 1.0), _get(node, "transA", 0))
    return factors == (1.0, 1.0, 0)


def _matrix(node: ir.Node, weight: Array) -> Array:
    """A node's weight as (K, N)."""
    if node.op_type == "Conv":
        axes = (*range(2, weight.ndim), 1, 0)
        return weight.transpose(axes).reshape(-1, len(weight))
    return weight.T if node.op_type == "Gemm" and _get(node, "transB", 0) else weight


def _constant(value: ir.Value | None) -> Array | None:
    if value is None or not value.is_initializer() or value.const_value is None:
        return None
    return value.const_value.numpy()


def _window(value: ir.Value) -> list[ir.Node]:
    """The Gather and the Reshape that lay windows of a computed tensor side by side, else none."""
    reshape = value.producer()
    if reshape is None or reshape.op_type != "Reshape" or reshape.inputs[0] is None:
        return []
    gather = reshape.inputs[0].producer()
    if gather is None or gather.op_type != "Gather" or _get(gather, "axis", 0) < 1:
        return []
    return [] if _constant(gather.inputs[0]) is not None else [gather, reshape]


def _get(node: ir.Node, name: str, default: Any) -> Any:
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.value


def _per_column(matrix: Array) -> tuple[Array, Array]:
    """(K, N) float -> (K, N) int8 and the (N,) scales that restore it, zero point 0."""
    scale = np.maximum(np.abs(matrix).max(axis=0), np.finfo(np.float32).tiny) / 127
    return np.rint(matrix / scale).astype(np.int8), scale.astype(np.float32)


class _Writer:
    """Replaces nodes of one graph, quantising every tensor and every weight once."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self._activations: dict[ir.Value, list[ir.Value]] = {}
        self._weights: dict[Any, tuple[ir.Value, ir.Value]] = {}

    def linear(self, node: ir.Node) -> None:
        """MatMul, with the Add of a bias behind it, or Gemm."""
        if node.op_type == "Gemm":
            last, bias = node, (node.inputs[2] if len(node.inputs) > 2 else None)
        else:
            last, bias = self._bias(node)
        data, scale, zero = self._activation(node)
        out = self._product(node, data, scale, zero, bias)
        self._replace(last, out)
        if last is not node:
            self.graph.remove(node, safe=True)

    def convolution(self, node: ir.Node) -> None:
        """Convolution of one group as a product of patches, channels last in between."""
        rank = _constant(node.inputs[1]).ndim - 2  # type: ignore[union-attr]
        data, scale, zero = self._activation(node)
        patches = self._patches(node, data, zero, rank)
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        out = self._product(node, patches, scale, zero, bias)
        back = self._add(node, "Transpose", [out], perm=(0, rank + 1, *range(1, rank + 1)))
        self._replace(node, back)

    def _patches(self, node: ir.Node, data: ir.Value, zero: ir.Value, rank: int) -> ir.Value:
        """(B, C, *input) -> (B, *output, K), K ordered tap by tap, channels innermost."""
        kernel = _constant(node.inputs[1]).shape[2:]  # type: ignore[union-attr]
        pads = _get(node, "pads", [0] * 2 * rank)
        strides = _get(node, "strides", [1] * rank)
        dilations = _get(node, "dilations", [1] * rank)
        data = self._add(node, "Transpose", [data], perm=(0, *range(2, rank + 2), 1))
        if any(pads):
            sides = self._ints([0, *pads[:rank], 0, 0, *pads[rank:], 0])
            data = self._add(node, "Pad", [data, sides, zero])
        if math.prod(kernel) == 1 and set(strides) == {1}:
            return data
        axes, steps = self._ints(range(1, rank + 1)), self._ints(strides)
        taps = []
        for tap in itertools.product(*map(range, kernel)):
            starts = [t * d for t, d in zip(tap, dilations, strict=True)]
            left = [(k - 1 - t) * d for k, t, d in zip(kernel, tap, dilations, strict=True)]
            ends = [-after if after else _TO_END for after in left]
            inputs = [data, self._ints(starts), self._ints(ends), axes, steps]
            taps.append(self._add(node, "Slice", inputs))
        return self._add(node, "Concat", taps, axis=-1) if len(taps) > 1 else taps[0]

    def _product(
        self,
        node: ir.Node,
        data: ir.Value,
        scale: ir.Value,
        zero: ir.Value,
        bias: ir.Value | None,
    ) -> ir.Value:
        weight, weight_scale = self._weight(node)
        inputs = [data, weight, scale, weight_scale, zero, None, bias]
        return self._add(node, "MatMulIntegerToFloat", inputs, _MICROSOFT)

    def _activation(self, node: ir.Node) -> list[ir.Value]:
        """uint8 values, scale and zero point of a node's first input.

        Windows over a tensor are cut from its quantised values: fewer to quantise and to copy.
        """
        source = node.inputs[0]
        assert source is not None
        if source not in self._activations:
            moves, made = _window(source), source.producer()
            if moves:
                assert moves[0].inputs[0] is not None
                data, scale, zero = self._quantised(node, moves[0].inputs[0])
                for move in moves:
                    attributes = {name: attr.value for name, attr in move.attributes.items()}
                    inputs = [data, *move.inputs[1:]]
                    data = self._add(node, move.op_type, inputs, **attributes)
                self._activations[source] = [data, scale, zero]
            elif made and made.op_type == "Tanh" and node.op_type != "Conv":
                self._activations[source] = self._tanh(node, source)
            else:
                self._activations[source] = self._quantised(node, source)
        return self._activations[source]

    def _quantised(self, node: ir.Node, source: ir.Value) -> list[ir.Value]:
        if source not in self._activations:
            new = ir.node(
                "DynamicQuantizeLinear", [source], num_outputs=3, name=f"{source.name}/quantise"
            )
            self.graph.insert_before(node, new)
            for output, suffix in zip(new.outputs, ("int8", "scale", "zero"), strict=True):
                output.name = f"{source.name}/{suffix}"
            self._activations[source] = list(new.outputs)
        return self._activations[source]

    def _tanh(self, node: ir.Node, source: ir.Value) -> list[ir.Value]:
        """The same of -1 to 1, whatever comes: what a row gets does not depend on other rows."""
        scale = self._store("tanh.scale", np.array(1 / 127, np.float32))
        zero = self._store("tanh.zero", np.array(128, np.uint8))
        return [self._add(node, "QuantizeLinear", [source, scale, zero]), scale, zero]

    def _weight(self, node: ir.Node) -> tuple[ir.Value, ir.Value]:
        source = node.inputs[1]
        assert source is not None
        key = (source, node.op_type, _get(node, "transB", 0))
        if key not in self._weights:
            data, scale = _per_column(_matrix(node, _constant(source)))  # type: ignore[arg-type]
            tag = f"{source.name}.int8.{len(self._weights)}"
            self._weights[key] = (self._store(tag, data), self._store(f"{tag}.scale", scale))
        return self._weights[key]

    def _bias(self, node: ir.Node) -> tuple[ir.Node, ir.Value | None]:
        """The Add of a constant (N,) that alone reads a MatMul, and that constant."""
        out = node.outputs[0]
        users = list(out.consumers())
        if len(users) != 1 or users[0].op_type != "Add" or out.is_graph_output():
            return node, None
        other = next(v for v in users[0].inputs if v is not out)
        array = _constant(other)
        width = _constant(node.inputs[1]).shape[-1]  # type: ignore[union-attr]
        return (users[0], other) if array is not None and array.shape == (width,) else (node, None)

    def _add(
        self,
        node: ir.Node,
        op_type: str,
        inputs: list[ir.Value | None] | list[ir.Value],
        domain: str = "",
        **attributes: Any,
    ) -> ir.Value:
        name = f"{node.name}/{op_type}"
        new = ir.node(op_type, inputs, attributes, domain=domain, name=name)
        self.graph.insert_before(node, new)
        return new.outputs[0]

    def _replace(self, node: ir.Node, out: ir.Value) -> None:
        old = node.outputs[0]
        ir.convenience.replace_nodes_and_values(self.graph, node, [node], [], [old], [out])

    def _ints(self, values: Any) -> ir.Value:
        array = np.array(list(values), np.int64)
        return self._store("ints." + ".".join(map(str, array)), array)

    def _store(self, name: str, array: Array) -> ir.Value:
        if name in self.graph.initializers:
            return self.graph.initializers[name]
        value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
        self.graph.register_initializer(value)
        return value
