"""The claims on ESPnet's `branchformer` and `e_branchformer` encoders."""

from __future__ import annotations

from collections.abc import Mapping

import espnet_onnx as eo

from . import encoder_claim

__all__ = ["BRANCHFORMER", "E_BRANCHFORMER", "KINDS", "SHORTEST", "claim_branchformer"]

BRANCHFORMER = "asr_transformer.branchformer_encoder"
E_BRANCHFORMER = "asr_transformer.e_branchformer_encoder"
KINDS = (BRANCHFORMER, E_BRANCHFORMER)

# As `encoder_claim.SHORTEST`; `branchformer` knows the input layers of `conformer`.
SHORTEST: Mapping[str, Mapping[str | None, int]] = {
    "branchformer": encoder_claim.SHORTEST["conformer"],
    "e_branchformer": {
        **encoder_claim.SHORTEST["conformer"],
        "conv1d1": 5,
        "conv1d2": 5,
        "conv1d3": 7,
    },
}
_KIND = {"branchformer": BRANCHFORMER, "e_branchformer": E_BRANCHFORMER}
ATTENTIONS = (*encoder_claim.ATTENTIONS, "fast_selfattn")
MERGES = ("concat", "learned_ave", "fixed_ave")


def claim_branchformer(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructors of `BranchformerEncoder` and `EBranchformerEncoder`.

    Returns:
        A part with the config of `encoder_claim.encoder_part`.
    """
    if component.role != "encoder" or component.type not in SHORTEST:
        return None
    shortest = SHORTEST[component.type]
    reason = encoder_claim.unknown_layer(component, shortest) or _unknown(component)
    if reason is not None:
        return eo.Declined(reason)
    return encoder_claim.encoder_part(_KIND[component.type], component, shortest)


def _unknown(component: eo.Component) -> str | None:
    conf = component.conf
    reason = encoder_claim.unknown(
        conf, "pos_enc_layer_type", encoder_claim.POSITIONS
    ) or encoder_claim.unknown(conf, "attention_layer_type", ATTENTIONS)
    if reason is None and component.type == "branchformer":
        return encoder_claim.unknown(conf, "merge_method", MERGES)
    return reason
