"""The settings of Mask-CTC decoding."""

from __future__ import annotations

from typing import Any

import attrs

from espnet_onnx.errors import InputError

__all__ = ["MaskDecoding"]


def _count(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _refused(attribute.name, value, "a whole number of at least 0")


def _share(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0.0 <= value <= 1.0:
        raise _refused(attribute.name, value, "a number from 0 to 1")


def _refused(name: str, value: Any, wanted: str) -> InputError:
    return InputError(f"decoding option {name}={value!r} cannot be used: give {wanted}")


@attrs.frozen(kw_only=True)
class MaskDecoding:
    """The arguments of `MaskCTCInference`, with the defaults of ESPnet's inference.

    Attributes:
        n_iterations: most rounds in which masks are filled in; 0 fills in one a round.
        threshold_probability: a token that CTC is less sure of is masked; 0 masks none, and the
            result is that of CTC alone.

    Raises:
        InputError: a value is out of range.
    """

    n_iterations: int = attrs.field(default=10, validator=_count)
    threshold_probability: float = attrs.field(default=0.99, validator=_share)
