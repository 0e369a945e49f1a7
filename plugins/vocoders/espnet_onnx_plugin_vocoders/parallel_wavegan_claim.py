"""The claim on vocoder `parallel_wavegan`, ESPnet's `ParallelWaveGANGenerator`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo

from .part import bands_of, part_of, product, with_defaults
from .reach import below_stretch, conv_reach, final_reach

__all__ = ["KIND", "claim"]

KIND = "vocoders.parallel_wavegan"
_DEFAULTS: Mapping[str, Any] = {
    "in_channels": 1,
    "kernel_size": 3,
    "layers": 30,
    "stacks": 3,
    "aux_context_window": 2,
    "upsample_conditional_features": True,
    "upsample_net": "ConvInUpsampleNetwork",
    "upsample_params": {"upsample_scales": [4, 4, 4, 4]},
}
_NETS = ("ConvInUpsampleNetwork", "UpsampleNetwork")


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """`conf` are the generator's constructor arguments; see `part.bands_of` for more bands."""
    conf = with_defaults(component.conf, _DEFAULTS)
    bands, reason = bands_of(conf), _unsupported(conf)
    if isinstance(bands, eo.Declined):
        return bands
    if reason is not None:
        return eo.Declined(reason)
    scales = conf["upsample_params"]["upsample_scales"]
    return part_of(
        KIND,
        component,
        scales=scales,
        bands=bands,
        context=_context(conf, bands, scales),
        noise=[1, product(scales), 1],
    )


def _unsupported(conf: Mapping[str, Any]) -> str | None:
    if not conf["upsample_conditional_features"]:
        return "upsample_conditional_features is false: its features have the rate of samples"
    if conf["upsample_net"] not in _NETS:
        return f"upsample_net {conf['upsample_net']} is not one of {', '.join(_NETS)}"
    mode = conf["upsample_params"].get("interpolate_mode", "nearest")
    if mode != "nearest":
        return f"interpolate_mode {mode} is not nearest"
    if int(conf["in_channels"]) != 1:
        return f"in_channels {conf['in_channels']} is not 1, which is what ESPnet draws"
    return None


def _context(conf: Mapping[str, Any], bands: int, scales: list[int]) -> int:
    """Frames on either side that a sample depends on."""
    cycle = int(conf["layers"]) // int(conf["stacks"])
    dilations = [2 ** (layer % cycle) for layer in range(conf["layers"])]
    reach = final_reach(conf, bands) + sum(conv_reach(conf["kernel_size"], d) for d in dilations)
    for scale in reversed(scales):
        reach = below_stretch(reach + int(scale), int(scale))
    window = conf["aux_context_window"] if conf["upsample_net"] == _NETS[0] else 0
    return reach + int(window)
