"""The claim on a Transformer decoder."""

from __future__ import annotations

from typing import Any

import espnet_onnx as eo

__all__ = ["KINDS", "claim_decoder"]

KINDS = ("asr_transformer.transformer_decoder",)
POSITIONS = ("PositionalEncoding", "ScaledPositionalEncoding")


def claim_decoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructor of espnet2.asr.decoder.transformer_decoder.TransformerDecoder."""
    if (component.role, component.type) != ("decoder", "transformer"):
        return None
    reason = _unsupported(component)
    return eo.Declined(reason) if reason else eo.Part(KINDS[0])


def _unsupported(component: eo.Component) -> str | None:
    conf = component.conf
    if conf.get("input_layer", "embed") != "embed":
        return f"input_layer {conf['input_layer']} takes vectors, and a search decodes tokens"
    if not conf.get("use_output_layer", True):
        return "use_output_layer false leaves no token scores to search"
    if component.module is not None:
        return _unsupported_positions(component.module)
    return None


def _unsupported_positions(module: Any) -> str | None:
    name = type(module.embed[-1]).__name__
    return None if name in POSITIONS else f"positional encoding {name} has no cached step here"
