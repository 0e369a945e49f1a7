"""The claim on vocoder `style_melgan`, ESPnet's `StyleMelGANGenerator`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo

from .part import bands_of, part_of, product, with_defaults

__all__ = ["KIND", "claim"]

KIND = "vocoders.style_melgan"
_DEFAULTS: Mapping[str, Any] = {
    "in_channels": 128,
    "noise_upsample_scales": [11, 2, 2, 2],
    "upsample_scales": [2, 2, 2, 2, 2, 2, 2, 2, 1],
    "upsample_mode": "nearest",
}


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """`conf` are the generator's constructor arguments.

    Its norms look at the whole utterance, so there is no context that would be enough.
    """
    conf = with_defaults(component.conf, _DEFAULTS)
    bands = bands_of(conf)
    if isinstance(bands, eo.Declined):
        return bands
    if bands != 1:
        return eo.Declined("out_channels above 1: ESPnet cuts such a wave at a wrong length")
    if conf["upsample_mode"] != "nearest":
        return eo.Declined(f"upsample_mode {conf['upsample_mode']} is not nearest")
    return part_of(
        KIND,
        component,
        scales=conf["upsample_scales"],
        bands=bands,
        context=None,
        noise=[int(conf["in_channels"]), 1, product(conf["noise_upsample_scales"])],
    )
