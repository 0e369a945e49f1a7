"""The claim on a CTC head."""

from __future__ import annotations

import espnet_onnx as eo

__all__ = ["KINDS", "claim_ctc"]

KINDS = ("asr_transformer.ctc",)
TYPES = ("builtin", "builtin2", "gtnctc", "brctc")


def claim_ctc(component: eo.Component) -> eo.Part | None:
    """Claims every `ctc_type` of espnet2.asr.ctc.CTC: they differ in the training loss alone."""
    if component.role != "ctc" or component.type not in TYPES:
        return None
    return eo.Part(KINDS[0])
