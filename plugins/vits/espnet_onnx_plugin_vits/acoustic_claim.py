"""The claim on acoustic model `vits`, ESPnet's `VITS`, whose decoder is a vocoder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo

__all__ = ["KIND", "claim"]

KIND = "vits.acoustic"
GENERATOR = "vits_generator"
# What `VITSGenerator` hands to its `HiFiGANGenerator`, and by which name it has it.
_DECODER = {
    "in_channels": "hidden_channels",
    "channels": "decoder_channels",
    "kernel_size": "decoder_kernel_size",
    "upsample_scales": "decoder_upsample_scales",
    "upsample_kernel_sizes": "decoder_upsample_kernel_sizes",
    "resblock_kernel_sizes": "decoder_resblock_kernel_sizes",
    "resblock_dilations": "decoder_resblock_dilations",
    "use_weight_norm": "use_weight_norm_in_decoder",
}


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Claims what `VITSGenerator` makes; its HiFi-GAN is the child `vocoder`.

    The part's config says how many speakers (`sids`) and languages (`lids`) there are and how
    wide an embedding (`spembs`) is, where the model needs one.
    """
    kind = component.conf.get("generator_type", GENERATOR)
    if kind != GENERATOR:
        return eo.Declined(f"generator_type {kind} is not {GENERATOR}, ESPnet's only one")
    params = component.conf.get("generator_params") or {}
    sizes = _sizes(params)
    return eo.Part(
        KIND,
        children={"vocoder": _vocoder(component, params, bool(sizes))},
        config={"sizes": sizes},
    )


def _sizes(params: Mapping[str, Any]) -> dict[str, int]:
    """One speaker or language is none to tell apart: see the constructor of `VITSGenerator`."""
    least = {"sids": ("spks", 2), "lids": ("langs", 2), "spembs": ("spk_embed_dim", 1)}
    given = {name: (int(params.get(key) or 0), low) for name, (key, low) in least.items()}
    return {name: size for name, (size, low) in given.items() if size >= low}


def _vocoder(component: eo.Component, params: Mapping[str, Any], conditioned: bool) -> eo.Component:
    """The decoder as a HiFi-GAN; it has a condition only where it is ever given one."""
    conf = {name: params[key] for name, key in _DECODER.items() if key in params}
    conf |= {
        "out_channels": 1,
        "global_channels": params.get("global_channels", -1) if conditioned else -1,
    }
    module = None
    if component.module is not None:
        module = component.module.generator.decoder
        conf["in_channels"] = int(module.input_conv.in_channels)
    rate = component.conf.get("sampling_rate")
    return eo.Component(
        "vocoder",
        "vocoder",
        "hifigan",
        conf,
        module,
        given={} if rate is None else {"sample_rate": rate},
        base=component.base,
    )
