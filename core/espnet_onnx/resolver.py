"""From a component to the tree of claims on it and everything below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from .errors import DispatchError
from .manager import Answer, Manager, log
from .types import Component, Declined, Part

__all__ = ["Claim", "require", "resolve"]


@attrs.frozen
class Claim:
    """A component, who claimed it and what it is, or why nobody did.

    Attributes:
        path: dotted names from the root; the root's own is "".
        problem: None where the component is claimed.
    """

    path: str
    component: Component
    plugin: str | None = None
    part: Part | None = None
    children: Mapping[str, Claim] = attrs.field(factory=dict)
    problem: str | None = None

    def walk(self) -> Iterator[Claim]:
        """This claim, then all below it, parents before children."""
        yield self
        for child in self.children.values():
            yield from child.walk()

    @property
    def problems(self) -> list[str]:
        """One line for each component below and here that nobody claimed."""
        return [c.problem for c in self.walk() if c.problem]


def describe(component: Component, path: str) -> str:
    """The component as messages name it: path, role and type."""
    return f"{path or 'the model'} (role {component.role}, type {component.type})"


def resolve(component: Component, manager: Manager, path: str = "") -> Claim:
    """Ask every plugin about a component and, once claimed, about its children.

    Never raises for what nobody claims: the claim then holds the problem.
    """
    answers = [a for a in manager.answers("split_modules", component=component) if _sound(a)]
    parts = [a for a in answers if isinstance(a.value, Part)]
    subject = describe(component, path)
    if not parts:
        return Claim(path, component, problem=_unclaimed(subject, answers, manager))
    try:
        answer = manager.one(parts, lambda: subject)
    except DispatchError as error:
        return Claim(path, component, problem=str(error))
    part: Part = answer.value
    children = {
        name: resolve(child, manager, f"{path}.{name}" if path else name)
        for name, child in part.children.items()
    }
    return Claim(path, component, answer.plugin, part, children)


def require(claim: Claim) -> None:
    """Raise unless everything is claimed.

    Raises:
        DispatchError: names the components that nobody claims and the plugins asked.
    """
    if claim.problems:
        raise DispatchError("; ".join(claim.problems))


def _sound(answer: Answer) -> bool:
    junk = _junk(answer.value)
    if junk:
        log.warning("plugin %s answered split_modules with %s: ignored", answer.plugin, junk)
    return not junk


def _junk(value: object) -> str | None:
    """What is wrong with an answer; None where nothing is."""
    if isinstance(value, Declined):
        return None
    if not isinstance(value, Part):
        return f"a {type(value).__name__}"
    if not isinstance(value.kind, str) or not isinstance(value.children, Mapping):
        return "a Part whose kind is no text or whose children are no mapping"
    # `components.child` is None where the config names no such child.
    wrong = [str(n) for n, child in value.children.items() if not isinstance(child, Component)]
    return f"children that are no components ({', '.join(wrong)})" if wrong else None


def _unclaimed(subject: str, answers: list[Answer], manager: Manager) -> str:
    declined = [f"{a.plugin} declines: {a.value.reason}" for a in answers]
    if declined:
        return f"{subject} is not supported: " + "; ".join(declined)
    asked = ", ".join(manager.plugins) or "none"
    skipped = ", ".join(s.name for s in manager.skipped)
    also = f" (skipped: {skipped})" if skipped else ""
    return f"{subject} is claimed by no plugin; asked: {asked}{also}; install one that claims it"
