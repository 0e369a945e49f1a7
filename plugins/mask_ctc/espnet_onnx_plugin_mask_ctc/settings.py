"""The settings of Mask-CTC decoding."""

from __future__ import annotations

import attrs

from espnet_onnx.parts.option_checks import share, whole

__all__ = ["MaskDecoding"]


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

    n_iterations: int = attrs.field(default=10, validator=whole(0))
    threshold_probability: float = attrs.field(default=0.99, validator=share)
