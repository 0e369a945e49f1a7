"""What a live model is, so that a change shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import torch

__all__ = ["Snapshot", "changes", "snapshot"]


@attrs.frozen
class Snapshot:
    """A model at one moment.

    Attributes:
        facts: by name, what is compared with ==: classes, modes, hooks, attribute names.
        tensors: copies of all weights and buffers.
    """

    facts: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]


def snapshot(model: torch.nn.Module) -> Snapshot:
    """Everything of a model that an export must leave as it is."""
    facts: dict[str, Any] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        facts[f"{name}: class"] = type(module)
        facts[f"{name}: attributes"] = frozenset(vars(module))
        facts[f"{name}: training"] = module.training
        facts[f"{name}: hooks"] = {k: len(v) for k, v in vars(module).items() if _hooks(k, v)}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        facts[f"{name}: identity"] = id(parameter)
        facts[f"{name}: requires_grad"] = parameter.requires_grad
        facts[f"{name}: grad"] = parameter.grad is not None
    tensors = {name: t.detach().clone() for name, t in model.state_dict().items()}
    return Snapshot(facts, tensors)


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    """One line for every difference of two snapshots."""
    names = sorted({*before.facts, *after.facts})
    lines = [n for n in names if before.facts.get(n) != after.facts.get(n)]
    for name in sorted({*before.tensors, *after.tensors}):
        old, new = before.tensors.get(name), after.tensors.get(name)
        if old is None or new is None or not torch.equal(old, new):
            lines.append(f"{name}: values")
    return lines


def _hooks(name: str, value: Any) -> bool:
    return name.endswith("_hooks") and isinstance(value, Mapping)
