"""The claim on ESPnet's Longformer encoder."""

from __future__ import annotations

import espnet_onnx as eo

__all__ = ["KIND", "claim_encoder"]

KIND = "longformer.encoder"
# Fewest input frames, as ESPnet's `check_short_utt` has it.
SHORTEST = {
    "conv2d": 7,
    "conv2d1": 5,
    "conv2d2": 7,
    "conv2d6": 11,
    "conv2d8": 15,
    "linear": 1,
}
# The same attention by two kernels.
MODES = ("sliding_chunks", "tvm")


def claim_encoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructor of `LongformerEncoder` in espnet2.asr.encoder.longformer_encoder."""
    if (component.role, component.type) != ("encoder", "longformer"):
        return None
    reason = _why_not(component)
    if reason is not None:
        return eo.Declined(reason)
    return eo.Part(KIND, config={"shortest": SHORTEST[component.conf["input_layer"]]})


def _why_not(component: eo.Component) -> str | None:
    conf = component.conf
    reasons = {
        f"input_layer {conf['input_layer']} takes no features": conf["input_layer"] not in SHORTEST,
        f"attention_mode {conf['attention_mode']} is not one of {', '.join(MODES)}": (
            conf["attention_mode"] not in MODES
        ),
        "attention_dilation other than 1 leaves gaps in the window, which no graph here has": any(
            step != 1 for step in conf["attention_dilation"]
        ),
        f"positionwise_layer_type {conf['positionwise_layer_type']} reads ESPnet's padding, which "
        "no graph here does": conf["positionwise_layer_type"] != "linear",
        "interctc_layer_idx: no graph here returns inner outputs": bool(
            conf.get("interctc_layer_idx")
        ),
    }
    return next((reason for reason, applies in reasons.items() if applies), None)
