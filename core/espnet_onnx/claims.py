"""What claims a model together with the models that help its search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import components
from .companions import Companions
from .errors import DispatchError
from .manager import Manager
from .resolver import Claim, require, resolve
from .sources import Source

if TYPE_CHECKING:
    from .loader import Loaded

__all__ = ["claim_model"]


def claim_model(
    model: Source | Loaded,
    companions: Companions,
    manager: Manager,
    *,
    task: str | None = None,
    role: str | None = None,
) -> Claim:
    """Everything that becomes a bundle, claimed.

    Args:
        model: on disk, or live.
        companions: what decodes beside it, live where the model is.
        manager: the plugins to ask.
        task: of a model on disk, None where its config decides; a live one knows its own.
        role: only the first component of this role.

    Raises:
        DispatchError: components that nobody claims, or no component of this role.
        ModelError: a companion has another vocabulary than the model.
    """
    helpers = companions.components(model.config)
    if isinstance(model, Source):
        root, _ = components.root(model.config, base=model.folder, task=task, companions=helpers)
    else:
        root, _ = components.root(
            model.config,
            base=model.base,
            module=model.model,
            task=model.task,
            companions=helpers,
        )
    claim = _first(resolve(root, manager), role)
    require(claim)
    return claim


def _first(claim: Claim, role: str | None) -> Claim:
    if role is None:
        return claim
    for candidate in claim.walk():
        if candidate.component.role == role:
            return candidate
    roles = sorted({c.component.role for c in claim.walk()})
    raise DispatchError(f"the model has no component of role {role!r}: it has {', '.join(roles)}")
