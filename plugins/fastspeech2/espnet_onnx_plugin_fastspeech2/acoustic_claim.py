"""The claim on ESPnet's `FastSpeech` and `FastSpeech2`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo

from .controls import sizes

__all__ = ["KINDS", "claim", "unsupported"]

# Type in config.yaml -> kind.
KINDS = {"fastspeech": "fastspeech2.fastspeech", "fastspeech2": "fastspeech2.fastspeech2"}
_BLOCKS = ("transformer", "conformer")
_POSITIONWISE = ("linear", "conv1d", "conv1d-linear")
_INTEGRATIONS = ("add", "concat")


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors the constructors of `FastSpeech` and `FastSpeech2`.

    The part's config holds `needs` (control -> its size, see `controls.sizes`), `eos` (the id
    that ESPnet puts behind every text), `factor` (features a decoder frame) and `prosody` (pitch
    and energy can be changed).
    """
    reason = unsupported(component.conf)
    if reason is not None:
        return eo.Declined(reason)
    given, conf = component.given, component.conf
    vocabulary = given.get("idim") or given.get("vocab_size")
    if component.module is not None:
        vocabulary = component.module.idim
    return eo.Part(
        KINDS[component.type],
        config={
            "needs": sizes(conf, _odim(component)),
            "eos": None if vocabulary is None else int(vocabulary) - 1,
            "factor": int(conf.get("reduction_factor", 1)),
            "prosody": component.type == "fastspeech2",
        },
    )


def _odim(component: eo.Component) -> int | None:
    if component.module is not None:
        return int(component.module.odim)
    return component.given.get("odim")


def unsupported(conf: Mapping[str, Any]) -> str | None:
    """Why a model of this configuration is none that ESPnet builds, None where it is."""
    choices = (
        ("encoder_type", _BLOCKS),
        ("decoder_type", _BLOCKS),
        ("positionwise_layer_type", _POSITIONWISE),
        ("spk_embed_integration_type", _INTEGRATIONS),
    )
    for key, known in choices:
        if conf.get(key, known[0]) not in known:
            return f"{key} {conf[key]} is not one of {', '.join(known)}"
    return None
