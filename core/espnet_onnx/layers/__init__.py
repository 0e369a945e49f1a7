"""Shared torch: export-safe blocks that several plugins build on, and their fusion rules."""

from __future__ import annotations

from typing import Any

__all__ = ["fusion_rules"]


def fusion_rules() -> list[Any]:
    """Rewrite rules for what `layers` emits, in the order to apply them to every graph."""
    from . import fusions

    return fusions.fusion_rules()
