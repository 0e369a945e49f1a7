"""The claim on ESPnet's contextual block encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo

__all__ = ["KIND", "SUBSAMPLING", "claim_encoder"]

KIND = "streaming.contextual_block_encoder"
TYPES = ("contextual_block_transformer", "contextual_block_conformer")

# input_layer -> frames that become one, and the fewest that its convolutions can take.
SUBSAMPLING: Mapping[str, tuple[int, int]] = {
    "conv2d": (4, 7),
    "conv2d6": (6, 11),
    "conv2d8": (8, 15),
    "linear": (1, 1),
}


def claim_encoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructors of `ContextualBlock{Transformer,Conformer}Encoder`."""
    if component.role != "encoder" or component.type not in TYPES:
        return None
    conf = component.conf
    reason = _why_not(conf)
    if reason is not None:
        return eo.Declined(reason)
    factor, shortest = SUBSAMPLING[conf["input_layer"]]
    return eo.Part(
        KIND,
        config={
            "block_size": conf["block_size"],
            "hop_size": conf["hop_size"],
            "look_ahead": conf["look_ahead"],
            "subsample": factor,
            "shortest": shortest,
            "width": conf["output_size"],
            "layers": conf["num_blocks"],
        },
    )


def _why_not(conf: Mapping[str, Any]) -> str | None:
    layer, known = conf["input_layer"], ", ".join(SUBSAMPLING)
    if layer not in SUBSAMPLING:
        return f"input_layer {layer} is not one of {known}: ESPnet cannot stream with others"
    if not conf["init_average"]:
        return (
            "init_average false fails in ESPnet itself (it takes what max() returns for a tensor)"
        )
    block, hop, ahead = conf["block_size"], conf["hop_size"], conf["look_ahead"]
    if hop < 1 or ahead < 0 or block < hop + ahead:
        return f"block_size {block} holds no hop_size {hop} and look_ahead {ahead}: nothing streams"
    return None
