"""The claim on frontend `s3prl`, ESPnet's `S3prlFrontend`, from its config alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.sample_rate import parse_rate

from .upstreams import FAMILIES, UPSTREAMS, family_of

__all__ = ["KIND", "STRIDE", "claim", "weights_of_states"]

KIND = "hubert.frontend"
# Samples from one state to the next: `UpstreamExpert.get_downsample_rates` of every family.
STRIDE = 320
# Options of s3prl that say how to get a checkpoint, not what to compute.
_FETCHING = ("refresh", "legacy", "fairseq", "ckpt")


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Claims every upstream that is a HuBERT-like transformer over waveforms."""
    conf = component.conf
    upstream = conf.get("frontend_conf") or {}
    rate = parse_rate(conf.get("fs", 16000))
    reason = _unsupported(upstream, conf) or (None if rate else f"fs {conf['fs']!r} is no rate")
    if reason is not None:
        return eo.Declined(reason)
    single = int(conf.get("layer", -1)) != -1
    # `S3prlFrontend.forward` returns a single layer before it comes to tiling.
    tile = 1 if single else int(upstream.get("tile_factor", 1))
    config: dict[str, Any] = {
        "sample_rate": rate,
        "hop_length": STRIDE // tile,
        "tile_factor": tile,
        # A single sample has a frame: `S3PRLUpstream.forward` fills it up to 0.05 s.
        "shortest": 1,
        "upstream": upstream["upstream"],
    }
    if component.module is not None:
        config["layer_weights"] = weights_of_states(component.module)
        config["width"] = int(component.module.output_size())
    return eo.Part(KIND, config=config)


def weights_of_states(live: Any) -> list[float]:
    """What each state counts in the features; states above the only one used are left out.

    Mirrors the choice in `S3prlFrontend.forward` and the softmax of s3prl's `Featurizer`.
    """
    states = int(live.upstream.num_layers)
    if live.layer == -1 and live.multilayer_feature:
        weights: list[float] = live.featurizer.weights.detach().softmax(-1).tolist()
        return weights
    only = range(states)[live.layer]
    return [0.0] * only + [1.0]


def _unsupported(upstream: Mapping[str, Any], conf: Mapping[str, Any]) -> str | None:
    name, where = upstream.get("upstream"), upstream.get("path_or_url")
    family = family_of(str(name))
    if family is None:
        return f"upstream {name} of s3prl is none of {', '.join(UPSTREAMS)}, {_others()}"
    if str(name) not in UPSTREAMS and not where:
        return f"upstream {name} needs path_or_url"
    if "conformer" in str(where) or str(where).rpartition("/")[2].startswith(("LL_rel", "LL_rope")):
        return f"upstream {name} of {where}: its blocks are conformer blocks"
    if conf.get("multilayer_feature") and conf.get("layer", -1) != -1:
        return "multilayer_feature and layer at once, which ESPnet refuses"
    tile = int(upstream.get("tile_factor", 1))
    if tile < 1 or STRIDE % tile:
        return f"tile_factor {tile} does not divide {STRIDE} samples"
    odd = [key for key in upstream.get("extra_conf") or {} if key not in _FETCHING]
    return f"extra_conf.{odd[0]} changes which states s3prl gives" if odd else None


def _others() -> str:
    return "nor of " + ", ".join(f"{name}_*" for name in FAMILIES) + " with path_or_url"
