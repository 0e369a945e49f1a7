"""A linear layer times a number: the number moves into the weights.

Shapes: K values in, N values out.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from onnxscript.rewriter import MatchResult, RewriteRuleClassBase

__all__ = ["ScaledBiasedLinear", "ScaledLinear"]


class ScaledLinear(RewriteRuleClassBase):
    """c (x W) becomes x (c W), as for sqrt(D) x behind an input layer."""

    def pattern(self, op: Any, x: Any, weight: Any, factor: Any) -> Any:
        """Mul(MatMul(x, weight), factor)."""
        return op.Mul(op.MatMul(x, weight), factor)

    def check(self, context: Any, factor: ir.Value, **values: ir.Value) -> MatchResult:  # type: ignore[override]
        """Weights must be constants that nothing else reads, and the factor one number."""
        result = MatchResult()
        number = ir.convenience.get_const_tensor(factor)
        if number is None or number.size != 1 or len(number.shape) > 1:
            return result.fail("the factor is not one constant number", factor)
        for name in ("weight", "bias"):
            value = values.get(name)
            if value is None:
                continue
            if ir.convenience.get_const_tensor(value) is None:
                return result.fail(f"the {name} is not constant", value)
            if len(value.uses()) > 1:
                return result.fail(f"scaling a shared {name} would copy it", value)
        return result

    def rewrite(self, op: Any, x: ir.Value, weight: ir.Value, factor: ir.Value) -> Any:
        """MatMul(x, factor weight)."""
        return op.MatMul(x, _scaled(op, weight, factor))


class ScaledBiasedLinear(ScaledLinear):
    """c (x W + b) becomes x (c W) + c b, as for the half steps of a Conformer block."""

    def pattern(self, op: Any, x: Any, weight: Any, bias: Any, factor: Any) -> Any:  # type: ignore[override]
        """Mul(Add(MatMul(x, weight), bias), factor)."""
        return op.Mul(op.Add(op.MatMul(x, weight), bias), factor)

    def rewrite(  # type: ignore[override]
        self, op: Any, x: ir.Value, weight: ir.Value, bias: ir.Value, factor: ir.Value
    ) -> Any:
        """Add(MatMul(x, factor weight), factor bias)."""
        return op.Add(op.MatMul(x, _scaled(op, weight, factor)), _scaled(op, bias, factor))


def _scaled(op: Any, value: ir.Value, factor: ir.Value) -> ir.Value:
    tensor, number = map(ir.convenience.get_const_tensor, (value, factor))
    assert tensor is not None and number is not None
    name = f"{value.name}.scaled"
    scaled: ir.Value = op.initializer(ir.tensor(tensor.numpy() * number.numpy()), name)
    return scaled
