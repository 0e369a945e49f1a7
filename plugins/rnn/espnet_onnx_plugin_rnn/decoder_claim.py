"""The claim on ESPnet's recurrent attention decoder."""

from __future__ import annotations

import espnet_onnx as eo

from .encoder_claim import unknown_type

__all__ = ["ATTENTIONS", "KIND", "claim_decoder"]

KIND = "rnn.decoder"

# `atype`s of `initial_att`.
ATTENTIONS = (
    "noatt",
    "dot",
    "add",
    "location",
    "location2d",
    "location_recurrent",
    "coverage",
    "coverage_location",
    "multi_head_dot",
    "multi_head_add",
    "multi_head_loc",
    "multi_head_multi_res_loc",
)


def claim_decoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructor of `espnet2.asr.decoder.rnn_decoder.RNNDecoder`."""
    if (component.role, component.type) != ("decoder", "rnn"):
        return None
    reason = _why_not(component)
    return eo.Declined(reason) if reason else eo.Part(KIND)


def _why_not(component: eo.Component) -> str | None:
    conf = component.conf
    attention = conf.get("att_conf") or {}
    # The constructor of the attentions has a `num_encs` of its own.
    encoders = max(int(conf.get("num_encs", 1)), int(attention.get("num_encs", 1)))
    if encoders != 1:
        return f"num_encs {encoders}: it attends to several encoders, and a search has one"
    atype = attention.get("atype", "location")
    if atype not in ATTENTIONS:
        return f"att_conf.atype {atype} is not one that ESPnet has ({', '.join(ATTENTIONS)})"
    return unknown_type(conf)
