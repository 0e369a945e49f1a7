"""The claim on vocoder `melgan`, ESPnet's `MelGANGenerator`, of one band or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo

from .part import bands_of, part_of, with_defaults
from .reach import below_upsampling, conv_reach, final_reach

__all__ = ["KIND", "PADDINGS", "claim"]

KIND = "vocoders.melgan"
# ESPnet's layer -> the mode of `torch.nn.functional.pad`.
PADDINGS = {
    "ReflectionPad1d": "reflect",
    "ReplicationPad1d": "replicate",
    "ZeroPad1d": "constant",
}
_DEFAULTS: Mapping[str, Any] = {
    "kernel_size": 7,
    "upsample_scales": [8, 8, 2, 2],
    "stack_kernel_size": 3,
    "stacks": 3,
    "pad": "ReflectionPad1d",
}


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """`conf` are the generator's constructor arguments; see `part.bands_of` for more bands."""
    conf = with_defaults(component.conf, _DEFAULTS)
    bands = bands_of(conf)
    if isinstance(bands, eo.Declined):
        return bands
    if conf["pad"] not in PADDINGS:
        return eo.Declined(f"pad {conf['pad']} is not one of {', '.join(PADDINGS)}")
    return part_of(
        KIND,
        component,
        scales=conf["upsample_scales"],
        bands=bands,
        context=_context(conf, bands),
        shortest=_shortest(conf) if conf["pad"] == "ReflectionPad1d" else 1,
    )


def _stack(conf: Mapping[str, Any]) -> list[int]:
    kernel = int(conf["stack_kernel_size"])
    return [conv_reach(kernel, kernel**j) for j in range(conf["stacks"])]


def _context(conf: Mapping[str, Any], bands: int) -> int:
    """Frames on either side that a sample depends on."""
    reach = final_reach(conf, bands) + conv_reach(conf["kernel_size"])
    for scale in reversed(conf["upsample_scales"]):
        reach = below_upsampling(reach + sum(_stack(conf)), int(scale))
    return reach + conv_reach(conf["kernel_size"])


def _shortest(conf: Mapping[str, Any]) -> int:
    """Fewest frames of which every layer can reflect as many steps as it pads."""
    least, steps = conv_reach(conf["kernel_size"]) + 1, 1
    for scale in conf["upsample_scales"]:
        steps *= int(scale)
        least = max(least, max(_stack(conf), default=0) // steps + 1)
    return max(least, conv_reach(conf["kernel_size"]) // steps + 1)
