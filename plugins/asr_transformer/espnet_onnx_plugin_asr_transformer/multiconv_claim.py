"""The claim on ESPnet's `multiconv_conformer` encoder."""

from __future__ import annotations

import espnet_onnx as eo

from . import encoder_claim

__all__ = ["KIND", "KINDS", "claim_multiconv"]

KIND = "asr_transformer.multiconv_conformer_encoder"
KINDS = (KIND,)

# `arch_type`s of `MultiConvolutionalGatingMLP`.
MIXTURES = ("sum", "weighted_sum", "concat", "concat_fusion")


def claim_multiconv(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructor of `MultiConvConformerEncoder`, a Conformer of other convolutions.

    Returns:
        A part with the config of `encoder_claim.encoder_part`.
    """
    if (component.role, component.type) != ("encoder", "multiconv_conformer"):
        return None
    shortest = encoder_claim.SHORTEST["conformer"]
    reason = encoder_claim.unknown_layer(component, shortest) or _unknown(component)
    if reason is not None:
        return eo.Declined(reason)
    return encoder_claim.encoder_part(KIND, component, shortest)


def _unknown(component: eo.Component) -> str | None:
    choices = {
        "pos_enc_layer_type": encoder_claim.POSITIONS,
        "selfattention_layer_type": encoder_claim.ATTENTIONS,
        "multicgmlp_type": MIXTURES,
    }
    reasons = (encoder_claim.unknown(component.conf, key, known) for key, known in choices.items())
    return next(filter(None, reasons), None)
