"""The claim on ESPnet's `Tacotron2`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.frame_by_frame import needs_of

__all__ = ["KIND", "claim"]

KIND = "tacotron2.acoustic"
_ATTENTIONS = ("location", "forward", "forward_ta")
_INTEGRATIONS = ("add", "concat")
# A kernel -> what says whether it is used.
_KERNELS = {"econv_filts": "econv_layers", "postnet_filts": "postnet_layers"}


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors the constructor of `espnet2.tts.tacotron2.tacotron2.Tacotron2`.

    The part's config holds `needs`, `eos` (the id that ESPnet puts behind every text),
    `reduction_factor`, `dropout_rate` (of the prenet), `attention`, `cumulate` (whether it looks
    back at the sum of its weights) and `postnet` (whether there is such a graph).
    """
    conf, given = component.conf, component.given
    reason = _unsupported(conf)
    if reason is not None:
        return eo.Declined(reason)
    vocabulary = given.get("idim") or given.get("vocab_size")
    if component.module is not None:
        vocabulary = component.module.idim
    attention = conf.get("atype", "location")
    return eo.Part(
        KIND,
        config={
            "needs": needs_of(conf),
            "eos": None if vocabulary is None else int(vocabulary) - 1,
            "reduction_factor": int(conf.get("reduction_factor", 1)),
            "dropout_rate": float(conf.get("dropout_rate", 0.5)),
            "attention": attention,
            "cumulate": attention == "location" and bool(conf.get("cumulate_att_w", True)),
            "postnet": conf.get("postnet_layers", 5) > 0 or bool(conf.get("output_activation")),
        },
    )


def _unsupported(conf: Mapping[str, Any]) -> str | None:
    """Why a model of this configuration is none that ESPnet speaks with, None where it is."""
    attention = conf.get("atype", "location")
    if attention not in _ATTENTIONS:
        return f"atype {attention} is not one of {', '.join(_ATTENTIONS)}"
    integration = conf.get("spk_embed_integration_type", "concat")
    if conf.get("spk_embed_dim") and integration not in _INTEGRATIONS:
        return f"spk_embed_integration_type {integration} is not one of {', '.join(_INTEGRATIONS)}"
    for key, layers in _KERNELS.items():
        if conf.get(layers, 1) > 0 and conf.get(key, 5) % 2 == 0:
            return f"{key} {conf[key]}: an even kernel changes the length"
    if conf.get("elayers", 1) < 1:
        return "elayers 0: ESPnet's inference hands only the first token on"
    if conf.get("dlayers", 2) < 1:
        return "dlayers 0: its attention asks with the state of the first LSTM"
    return None
