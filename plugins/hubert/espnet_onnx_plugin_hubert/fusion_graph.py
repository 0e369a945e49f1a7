"""Fusions of what a `SpeechModel` traces to, into operators of stock onnxruntime.

Two more that onnxruntime has are left out, as on a CPU they lose: SkipLayerNormalization takes
six times as long as Add and LayerNormalization, BiasGelu twice as long as Gelu alone, which is
what is left where an int8 product adds the bias. What needs no rule: the first convolution's norm
and the positional one's weight-norm are folded when the modules are built.

Shapes: B utterances, T frames, D width, H heads, d = D / H.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from onnxscript.rewriter import MatchResult, RewriteRuleClassBase
from onnxscript.rewriter.pattern import ANY_VALUE

__all__ = ["BiasedAttention", "PlainAttention", "fusion_rules"]

_MICROSOFT = "com.microsoft"


def fusion_rules() -> list[Any]:
    """Rewrite rules in the order to apply them."""
    classes: tuple[Any, ...] = (PlainAttention, BiasedAttention)
    return [fusion.rule() for fusion in classes]


class PlainAttention(RewriteRuleClassBase):
    """softmax(q k^T c + mask) v over heads becomes MultiHeadAttention.

    The mask becomes the lengths that it was made of.
    """

    def pattern(self, op: Any, q: Any, k: Any, v: Any, scale: Any, mask: Any) -> Any:
        """Three (B, T, D) -> (B, T, D)."""
        scores = op.Mul(_scores(op, q, k), scale)
        return _mix(op, op.Add(scores, mask, _outputs=["masked"]), v)

    def check(self, context: Any, **values: ir.Value) -> MatchResult:  # type: ignore[override]
        """The scale must be a number, the number of heads known, the mask one of lengths."""
        result = MatchResult()
        if ir.convenience.get_const_tensor(values["scale"]) is None:
            return result.fail("the scale is not constant", values["scale"])
        if _heads(values["masked"]) is None:
            return result.fail("the number of heads is not known", values["masked"])
        if _lengths(values["mask"]) is None:
            return result.fail("the mask is not made of lengths", values["mask"])
        return result

    def rewrite(self, op: Any, **values: ir.Value) -> Any:
        """MultiHeadAttention with a key length for every utterance."""
        return self._fused(op, None, **values)

    def _fused(
        self, op: Any, bias: ir.Value | None, q: Any, k: Any, v: Any, **values: ir.Value
    ) -> Any:
        lengths = op.Cast(_lengths(values["mask"]), to=ir.DataType.INT32)
        scale = ir.convenience.get_const_tensor(values["scale"])
        assert scale is not None
        return op.MultiHeadAttention(
            q,
            k,
            v,
            None,
            lengths,
            bias,
            num_heads=_heads(values["masked"]),
            scale=float(scale.numpy()),
            _domain=_MICROSOFT,
        )


class BiasedAttention(PlainAttention):
    """The same with a bias of every pair of frames, as WavLM has it."""

    def pattern(  # type: ignore[override]
        self, op: Any, q: Any, k: Any, v: Any, scale: Any, bias: Any, mask: Any
    ) -> Any:
        """Three (B, T, D) and a bias (B, H, T, T) or (H, T, T) -> (B, T, D)."""
        scores = op.Add(op.Mul(_scores(op, q, k), scale), bias)
        return _mix(op, op.Add(scores, mask, _outputs=["masked"]), v)

    def check(self, context: Any, bias: ir.Value, **values: ir.Value) -> MatchResult:  # type: ignore[override]
        """As the plain kind; the bias must be of known rank."""
        if bias.shape is None or len(bias.shape) not in (3, 4):
            return MatchResult().fail("the bias has neither three nor four axes", bias)
        return super().check(context, **values)

    def rewrite(self, op: Any, bias: ir.Value, **values: ir.Value) -> Any:  # type: ignore[override]
        """MultiHeadAttention with the bias as it is."""
        assert bias.shape is not None
        if len(bias.shape) == 3:
            bias = op.Unsqueeze(bias, op.Constant(value_ints=[0]))
        return self._fused(op, bias, **values)


def _scores(op: Any, q: Any, k: Any) -> Any:
    """q k^T (B, H, T, T) of two (B, T, D)."""
    queries = op.Transpose(op.Reshape(q, ANY_VALUE), perm=[0, 2, 1, 3])
    keys = op.Transpose(op.Reshape(k, ANY_VALUE), perm=[0, 2, 3, 1])
    return op.MatMul(queries, keys)


def _mix(op: Any, scores: Any, v: Any) -> Any:
    """softmax(scores) v as (B, T, D)."""
    values = op.Transpose(op.Reshape(v, ANY_VALUE), perm=[0, 2, 1, 3])
    context = op.MatMul(op.Softmax(scores, axis=-1), values)
    return op.Reshape(op.Transpose(context, perm=[0, 2, 1, 3]), ANY_VALUE)


def _heads(scores: ir.Value) -> int | None:
    """H of scores (B, H, T, T)."""
    heads = scores.shape[1] if scores.shape is not None and len(scores.shape) == 4 else None
    return heads if isinstance(heads, int) else None


def _lengths(mask: ir.Value) -> ir.Value | None:
    """Lengths (B,) of a mask that `layers.masks.frame_mask` made: Where(arange < lengths, ...)."""
    chosen = _behind(mask)
    if chosen is None or chosen.op_type != "Where" or chosen.inputs[0] is None:
        return None
    less = chosen.inputs[0].producer()
    if less is None or less.op_type != "Less":
        return None
    steps, column = less.inputs
    counted = _behind(steps) if steps is not None else None
    raised = column.producer() if column is not None else None
    if counted is None or counted.op_type != "Range" or raised is None:
        return None
    return raised.inputs[0] if raised.op_type == "Unsqueeze" else None


def _behind(value: ir.Value) -> ir.Node | None:
    """The node that made a value, Unsqueezes aside."""
    node = value.producer()
    while node is not None and node.op_type == "Unsqueeze" and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return node
