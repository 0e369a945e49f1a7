"""The claim on the decoder of a Mask-CTC model."""

from __future__ import annotations

import espnet_onnx as eo

__all__ = ["KIND", "claim_decoder"]

KIND = "mask_ctc.mlm_decoder"


def claim_decoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructor of `MLMDecoder` in espnet2.asr.decoder.mlm_decoder."""
    if component.type != "mlm":
        return None
    if component.role == "decoder":
        return eo.Declined("it fills in masks and scores no next token: it needs model: maskctc")
    if component.role != "masked_decoder":
        return None
    conf = component.conf
    if conf.get("input_layer", "embed") != "embed":
        return eo.Declined(f"input_layer {conf['input_layer']} takes vectors, and masks are tokens")
    if not conf.get("use_output_layer", True):
        return eo.Declined("use_output_layer false leaves no token scores to fill masks by")
    return eo.Part(KIND)
