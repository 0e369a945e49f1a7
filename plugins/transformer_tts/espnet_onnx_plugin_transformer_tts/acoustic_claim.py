"""The claim on ESPnet's Transformer-TTS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.frame_by_frame import needs_of

__all__ = ["KIND", "claim"]

KIND = "transformer_tts.acoustic"
# What the graphs have been held against ESPnet with; other values are declined.
_TRIED: Mapping[str, Any] = {
    "positionwise_layer_type": "linear",
    "use_scaled_pos_enc": True,
    "encoder_normalize_before": True,
    "decoder_normalize_before": True,
    "encoder_concat_after": False,
    "decoder_concat_after": False,
}
_KERNELS = ("eprenet_conv_filts", "postnet_filts", "positionwise_conv_kernel_size")


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors the constructor of `espnet2.tts.transformer.transformer.Transformer`.

    The part's config holds `needs`, `eos` (the id that ESPnet puts behind every text),
    `reduction_factor`, `dropout_rate` (of the decoder's prenet), `blocks` (of the decoder) and
    `postnet` (whether there is such a graph).
    """
    conf, given = component.conf, component.given
    reason = _unsupported(conf)
    if reason is not None:
        return eo.Declined(reason)
    vocabulary = given.get("idim") or given.get("vocab_size")
    if component.module is not None:
        vocabulary = component.module.idim
    return eo.Part(
        KIND,
        config={
            "needs": needs_of(conf),
            "eos": None if vocabulary is None else int(vocabulary) - 1,
            "reduction_factor": int(conf.get("reduction_factor", 1)),
            "dropout_rate": float(conf.get("dprenet_dropout_rate", 0.5)),
            "blocks": int(conf.get("dlayers", 6)),
            "postnet": conf.get("postnet_layers", 5) > 0,
        },
    )


def _unsupported(conf: Mapping[str, Any]) -> str | None:
    """Why a model of this configuration is none that ESPnet speaks with, None where it is."""
    for key, value in _TRIED.items():
        if conf.get(key, value) != value:
            return f"{key} {conf[key]}: only {value} is supported"
    if needs_of(conf):
        return f"it needs {', '.join(needs_of(conf))}: only models of one voice are supported"
    for key in ("eprenet_conv_layers", "dprenet_layers", "postnet_layers"):
        if conf.get(key, 1) < 1:
            return f"{key} 0: only models with prenets and postnet are supported"
    for key in _KERNELS:
        if conf.get(key, 1) % 2 == 0:
            return f"{key} {conf[key]}: an even kernel changes the length"
    if conf.get("dlayers", 6) < 1:
        return "dlayers 0: its decoder never hears the text"
    return None
