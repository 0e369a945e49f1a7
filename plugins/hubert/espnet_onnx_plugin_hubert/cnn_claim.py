"""The claim on frontend `wav2vec_cnn`, ESPnet's `CNNFrontend`: strided convolutions alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.sample_rate import parse_rate

from .receptive_field import receptive_field, stride_of

__all__ = ["KIND", "claim"]

KIND = "hubert.wav2vec_cnn"
NORMS = ("group_norm", "layer_norm")
CONVOLUTIONS = ("standard", "depth_only")


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Sizes come from the conf alone, so that a config and a live model agree."""
    conf = component.conf
    rate = parse_rate(conf.get("fs", 16000))
    reason = _unsupported(conf) or (None if rate else f"fs {conf['fs']!r} is no sample rate")
    if reason is not None:
        return eo.Declined(reason)
    layers = [(int(kernel), int(stride)) for _, kernel, stride in conf["shapes"]]
    config = {
        "sample_rate": rate,
        "hop_length": stride_of(layers),
        "shortest": receptive_field(layers),
    }
    return eo.Part(KIND, config=config)


def _unsupported(conf: Mapping[str, Any]) -> str | None:
    if conf.get("norm_mode") not in NORMS:
        return f"norm_mode {conf.get('norm_mode')} is not one of {', '.join(NORMS)}"
    if conf.get("conv_mode") not in CONVOLUTIONS:
        # `ConvLayerBlock` looks for the weight of two convolutions in a row, and fails.
        return f"conv_mode {conf.get('conv_mode')} is none that ESPnet can build"
    return None
