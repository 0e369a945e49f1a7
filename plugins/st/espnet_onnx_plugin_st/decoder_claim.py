"""The claims on what only multi-decoder speech translation has."""

from __future__ import annotations

import espnet_onnx as eo

__all__ = ["DECODER", "STATES", "claim_decoder", "claim_states"]

DECODER = "st.transformer_md_decoder"
STATES = "st.decoder_states"


def claim_decoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructor of `TransformerMDDecoder`."""
    if (component.role, component.type) != ("decoder", "transformer_md"):
        return None
    conf = component.conf
    if not conf.get("use_speech_attn", True):
        return eo.Declined(
            "use_speech_attn false makes it a plain Transformer decoder with the same weights:"
            " write decoder: transformer, without use_speech_attn, into the config"
        )
    reason = _unsupported(component)
    return eo.Declined(reason) if reason else eo.Part(DECODER)


def claim_states(component: eo.Component) -> eo.Part | eo.Declined | None:
    """A Transformer decoder's hidden states of a whole transcript, for an encoder to read."""
    if (component.role, component.type) != ("decoder_states", "transformer"):
        return None
    reason = _unsupported(component)
    return eo.Declined(reason) if reason else eo.Part(STATES)


def _unsupported(component: eo.Component) -> str | None:
    conf = component.conf
    if conf.get("input_layer", "embed") != "embed":
        return f"input_layer {conf['input_layer']} takes vectors, and a search decodes tokens"
    if not conf.get("use_output_layer", True):
        return "use_output_layer false leaves no token scores to search"
    return None
