"""The claim on an S4 decoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import espnet_onnx as eo

__all__ = ["KINDS", "claim_decoder"]

KINDS = ("s4.decoder",)
LAYERS = ("s4", "mha", "ff")
# What `S4.step` leaves out although `S4.forward` has it: its result would not even have the shape.
NO_STEP = ("gate", "bottleneck", "hyper_act", "bidirectional")
DISCRETE = ("bilinear", "zoh")


def claim_decoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructors of `S4Decoder` and of espnet2.asr.state_spaces.

    Variants without a recurrent step in ESPnet, which its search needs, are declined.
    """
    if (component.role, component.type) != ("decoder", "s4"):
        return None
    reason = next(_reasons(component.conf), None)
    return eo.Declined(reason) if reason else eo.Part(KINDS[0])


def _reasons(conf: Mapping[str, Any]) -> Iterator[str]:
    if conf.get("pool") is not None:
        yield "pool changes the rate of tokens, for which ESPnet's search has no step"
    if conf.get("transposed"):
        yield "transposed true does not run in ESPnet with a layer mha, and none hears without"
    layers = conf.get("layer")
    if layers is None:  # the default, with which ESPnet builds no decoder at all
        return
    yield from _norm_reasons(conf)
    layers = [layers] if isinstance(layers, Mapping) else layers
    names = [layer.get("_name_") for layer in layers]
    for name in names:
        if name not in LAYERS:
            yield f"layer {name} is none of {', '.join(LAYERS)}"
    for name in ("s4", "mha"):
        if name not in names:
            yield f"without a layer {name} it does not know " + (
                "what it wrote" if name == "s4" else "what it hears"
            )
    for layer in layers:
        if layer.get("_name_") == "s4":
            yield from _s4_reasons(layer)


def _norm_reasons(conf: Mapping[str, Any]) -> Iterator[str]:
    norm = conf.get("norm")
    name = norm.get("_name_", "layer") if isinstance(norm, Mapping) else norm
    if name is None and conf.get("prenorm", True):
        yield "norm null with prenorm has no step in ESPnet"
    if name == "instance":
        yield "norm instance has no step in ESPnet: a single token has no variance"


def _s4_reasons(layer: Mapping[str, Any]) -> Iterator[str]:
    for key in NO_STEP:
        if layer.get(key):
            yield f"layer s4 with {key} has no step in ESPnet"
    disc = layer.get("disc", "bilinear")
    if layer.get("mode") == "diag" and disc not in DISCRETE:
        yield f"layer s4 of mode diag with disc {disc} has no step in ESPnet"
