"""The claim on frontend `huggingface`, ESPnet's `HuggingFaceFrontend`: models of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.sample_rate import parse_rate

from .receptive_field import RECEPTIVE, STRIDE, receptive_field, stride_of
from .transformers_claim import config_of, refusal

__all__ = ["KIND", "claim"]

KIND = "hubert.huggingface"


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Claims models that hear waveforms; a live one, or its folder, tells whether it does."""
    conf = component.conf
    rate = parse_rate(conf.get("fs", 16000))
    if rate is None:
        return eo.Declined(f"fs {conf['fs']!r} is no sample rate")
    known = _known(component)
    reason = None if known is None else refusal(known)
    if reason is not None:
        return eo.Declined(reason)
    layers = _layers(known or {})
    config: dict[str, Any] = {
        "sample_rate": rate,
        "hop_length": stride_of(layers) if layers else STRIDE,
        "shortest": receptive_field(layers) if layers else RECEPTIVE,
    }
    if component.module is not None and known is not None:
        config["width"] = int(known["hidden_size"])
        # `last_hidden_state` is what the frontend gives; the states below are there to be chosen.
        config["layer_weights"] = [0.0] * int(known["num_hidden_layers"]) + [1.0]
    return eo.Part(KIND, config=config)


def _known(component: eo.Component) -> Mapping[str, Any] | None:
    """The model's own config: of the live one, else of a local folder."""
    if component.module is None:
        return config_of(str(component.conf.get("model")), component.base)
    known: Mapping[str, Any] = component.module.encoder.config.to_dict()
    return known


def _layers(known: Mapping[str, Any]) -> list[tuple[int, int]]:
    """(kernel, stride) of the convolutions, where the config tells."""
    pairs = zip(known.get("conv_kernel", ()), known.get("conv_stride", ()), strict=True)
    return [(int(kernel), int(stride)) for kernel, stride in pairs]
