"""Fusions of what `layers` emits, one class each; core applies them to every graph."""

from __future__ import annotations

from typing import Any

from .scaled_linear import ScaledBiasedLinear, ScaledLinear

__all__ = ["fusion_rules"]


def fusion_rules() -> list[Any]:
    """Rewrite rules in the order to apply them."""
    classes: tuple[Any, ...] = (ScaledBiasedLinear, ScaledLinear)
    return [fusion.rule() for fusion in classes]
