"""Validators of attrs classes whose fields are options that somebody types.

beam_size: int = attrs.field(default=20, validator=whole(1))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..errors import InputError

__all__ = ["WIDEST", "beam", "finite", "needs", "one_of", "refused", "share", "switch", "whole"]

Check = Callable[[Any, "attrs.Attribute[Any]", Any], None]
# Beams and contexts far beyond use, which take all memory there is, are slips of the pen.
WIDEST = 10_000


def refused(name: str, value: Any, wanted: str, kind: str = "decoding") -> InputError:
    """What is said of a value; `wanted` is what to give instead."""
    return InputError(f"{kind} option {name}={value!r} cannot be used: give {wanted}")


def needs(scorer: str, name: str, weight: float) -> InputError:
    """What is said of a weight for a model, `lm` or `ngram`, that a bundle lacks."""
    what = "an n-gram model" if scorer == "ngram" else "a language model"
    return InputError(
        f"{name}={weight} needs {what}, which this bundle lacks: leave it out, or export "
        f"the model with --{scorer}"
    )


def whole(smallest: int, kind: str = "decoding", most: float = math.inf) -> Check:
    """A whole number from `smallest` on, and at most `most`."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
            wanted = f"a whole number of at least {smallest}"
            raise refused(attribute.name, value, wanted, kind)
        if value > most:
            raise refused(attribute.name, value, f"a whole number of at most {most}", kind)

    return check


def beam(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    """A number of hypotheses."""
    whole(1, most=WIDEST)(_, attribute, value)


def finite(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    """A number that is neither NaN nor infinite."""
    if not _number(value) or not math.isfinite(value):
        raise refused(attribute.name, value, "a finite number")


def share(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    """A number from 0 to 1."""
    if not _number(value) or not 0.0 <= value <= 1.0:
        raise refused(attribute.name, value, "a number from 0 to 1")


def switch(kind: str = "decoding") -> Check:
    """True or false."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not isinstance(value, bool):
            raise refused(attribute.name, value, "true or false", kind)

    return check


def one_of(choices: Sequence[str], note: str = "") -> Check:
    """One of these words; `note` follows them in the message."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value not in choices:
            raise refused(attribute.name, value, f"one of {', '.join(choices)}{note}")

    return check


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
