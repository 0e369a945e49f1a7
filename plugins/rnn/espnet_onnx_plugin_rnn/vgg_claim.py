"""The claim on ESPnet's `vgg_rnn` encoder."""

from __future__ import annotations

import espnet_onnx as eo

from .encoder_claim import unknown_type

__all__ = ["KIND", "claim_vgg"]

KIND = "rnn.vgg_encoder"


def claim_vgg(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructor of `espnet2.asr.encoder.vgg_rnn_encoder.VGGRNNEncoder`.

    Returns:
        A part whose config holds `shortest`: one input frame is enough.
    """
    if (component.role, component.type) != ("encoder", "vgg_rnn"):
        return None
    reason = unknown_type(component.conf)
    return eo.Declined(reason) if reason else eo.Part(KIND, config={"shortest": 1})
