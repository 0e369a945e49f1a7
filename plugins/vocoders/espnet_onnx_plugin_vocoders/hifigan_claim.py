"""The claim on vocoder `hifigan`, ESPnet's `HiFiGANGenerator`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo

from .part import bands_of, part_of, with_defaults
from .reach import below_upsampling, conv_reach, final_reach

__all__ = ["KIND", "claim", "context_of"]

KIND = "vocoders.hifigan"
_DEFAULTS: Mapping[str, Any] = {
    "kernel_size": 7,
    "upsample_scales": [8, 8, 2, 2],
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilations": [[1, 3, 5]] * 3,
    "use_additional_convs": True,
}


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """`conf` are the generator's constructor arguments; see `part.bands_of` for more bands."""
    conf = with_defaults(component.conf, _DEFAULTS)
    bands = bands_of(conf)
    if isinstance(bands, eo.Declined):
        return bands
    return part_of(
        KIND,
        component,
        scales=conf["upsample_scales"],
        bands=bands,
        context=context_of(conf, bands),
    )


def context_of(conf: Mapping[str, Any], bands: int) -> int:
    """Frames on either side that a sample depends on."""
    reach = final_reach(conf, bands) + conv_reach(conf["kernel_size"])
    blocks = [
        sum(
            conv_reach(kernel, d) + int(conf["use_additional_convs"]) * conv_reach(kernel)
            for d in ds
        )
        for kernel, ds in zip(
            conf["resblock_kernel_sizes"], conf["resblock_dilations"], strict=True
        )
    ]
    for scale in reversed(conf["upsample_scales"]):
        reach = below_upsampling(reach + max(blocks, default=0), int(scale))
    return reach + conv_reach(conf["kernel_size"])
