"""The claim on the postencoder `length_adaptor`."""

from __future__ import annotations

import espnet_onnx as eo

__all__ = ["KINDS", "claim_length_adaptor"]

KINDS = ("asr_transformer.length_adaptor",)


def claim_length_adaptor(component: eo.Component) -> eo.Part | None:
    """Mirrors the constructor of `LengthAdaptorPostEncoder`.

    Returns:
        A part whose config holds `ratio`, frames in for a frame out, which are also the fewest
        frames it accepts.
    """
    if (component.role, component.type) != ("postencoder", "length_adaptor"):
        return None
    # `return_int_enc` concerns training alone.
    return eo.Part(KINDS[0], config={"ratio": 2 ** component.conf["length_adaptor_n_layers"]})
