"""The claim on acoustic model `jets`, ESPnet's `JETS`, which has a HiFi-GAN of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo

from .acoustic_claim import unsupported
from .controls import sizes

__all__ = ["KIND", "claim"]

KIND = "fastspeech2.jets"
_GENERATOR = "jets_generator"
# `JETSGenerator` hands these to its `HiFiGANGenerator`.
_PREFIX = "generator_"


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors the constructor of `JETSGenerator`; its HiFi-GAN is the child `vocoder`.

    The part's config holds `needs` (control -> its size, see `controls.sizes`) and `prosody`.
    """
    kind = component.conf.get("generator_type", _GENERATOR)
    params = component.conf.get("generator_params") or {}
    if kind != _GENERATOR:
        return eo.Declined(f"generator_type {kind} is not {_GENERATOR}, ESPnet's only one")
    reason = unsupported(params)
    if reason is not None:
        return eo.Declined(reason)
    module = component.module
    odim = component.given.get("odim") if module is None else int(module.generator.odim)
    return eo.Part(
        KIND,
        children={"vocoder": _vocoder(component, params)},
        config={"needs": sizes(params, odim), "prosody": True},
    )


def _vocoder(component: eo.Component, params: Mapping[str, Any]) -> eo.Component:
    conf = {
        key.removeprefix(_PREFIX): value for key, value in params.items() if key.startswith(_PREFIX)
    }
    module = None
    if component.module is not None:
        module = component.module.generator.generator
        conf["in_channels"] = int(module.input_conv.in_channels)
    elif "adim" in params:
        conf["in_channels"] = params["adim"]
    rate = component.conf.get("sampling_rate")
    given = {} if rate is None else {"sample_rate": rate}
    return eo.Component("vocoder", "vocoder", "hifigan", conf, module, given, base=component.base)
