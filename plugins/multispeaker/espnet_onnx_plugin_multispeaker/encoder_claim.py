"""The claim on ESPnet's multi-speaker encoder."""

from __future__ import annotations

import espnet_onnx as eo

__all__ = ["KIND", "claim_encoder"]

KIND = "multispeaker.encoder"
# Fewest input frames, as ESPnet's `check_short_utt` has it.
SHORTEST = {
    "conv2d": 7,
    "conv2d1": 5,
    "conv2d2": 7,
    "conv2d6": 11,
    "conv2d8": 15,
    "linear": 1,
    None: 1,
}


def claim_encoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors `TransformerEncoder` in espnet2.asr.encoder.transformer_encoder_multispkr."""
    if component.type != "transformer_multispkr":
        return None
    if component.role == "encoder":
        return eo.Declined("it has an output for every speaker: it needs model: pit_espnet")
    if component.role != "multispeaker_encoder":
        return None
    layer = component.conf["input_layer"]
    if layer not in SHORTEST:
        return eo.Declined(f"input_layer {layer} takes no features of a mixture")
    config = {"shortest": SHORTEST[layer], "speakers": int(component.conf["num_inf"])}
    return eo.Part(KIND, config=config)
