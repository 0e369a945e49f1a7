"""The claim on decoders with lightweight and dynamic convolutions."""

from __future__ import annotations

import espnet_onnx as eo

__all__ = ["KINDS", "claim_decoder"]

KINDS = ("light_conv.decoder",)
TYPES = ("lightweight_conv", "lightweight_conv2d", "dynamic_conv", "dynamic_conv2d")
POSITIONS = ("PositionalEncoding", "ScaledPositionalEncoding")


def claim_decoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructors in espnet2.asr.decoder.transformer_decoder."""
    if component.role != "decoder" or component.type not in TYPES:
        return None
    reason = _unsupported(component)
    return eo.Declined(reason) if reason else eo.Part(KINDS[0])


def _unsupported(component: eo.Component) -> str | None:
    conf = component.conf
    if conf.get("input_layer", "embed") != "embed":
        return f"input_layer {conf['input_layer']} takes vectors, and a search decodes tokens"
    if not conf.get("use_output_layer", True):
        return "use_output_layer false leaves no token scores to search"
    if component.module is None:
        return None
    positions = type(component.module.embed[-1]).__name__
    return None if positions in POSITIONS else f"positional encoding {positions} is not known here"
