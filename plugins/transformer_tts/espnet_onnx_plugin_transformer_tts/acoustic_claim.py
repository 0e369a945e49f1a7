"""The claim on ESPnet's Transformer-TTS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.frame_by_frame import needs_of

__all__ = ["KIND", "claim"]

KIND = "transformer_tts.acoustic"
_CHOICES = {
    "positionwise_layer_type": ("conv1d", "conv1d-linear", "linear"),
    "spk_embed_integration_type": ("add", "concat"),
}
# A kernel -> what says whether it is used: published configs write 0 for one that is not.
_KERNELS = {"eprenet_conv_filts": "eprenet_conv_layers", "postnet_filts": "postnet_layers"}


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors the constructor of `espnet2.tts.transformer.transformer.Transformer`.

    The part's config holds `needs`, `eos` (the id that ESPnet puts behind every text),
    `reduction_factor`, `dropout_rate` (of the decoder's prenet), `blocks` (of the decoder),
    `postnet` and `past` (whether there are such graphs).
    """
    conf, given = component.conf, component.given
    reason = _unsupported(conf)
    if reason is not None:
        return eo.Declined(reason)
    vocabulary = given.get("idim") or given.get("vocab_size")
    if component.module is not None:
        vocabulary = component.module.idim
    rate = float(conf.get("dprenet_dropout_rate", 0.5))
    return eo.Part(
        KIND,
        config={
            "needs": needs_of(conf),
            "eos": None if vocabulary is None else int(vocabulary) - 1,
            "reduction_factor": int(conf.get("reduction_factor", 1)),
            "dropout_rate": rate,
            "blocks": int(conf.get("dlayers", 6)),
            "postnet": conf.get("postnet_layers", 5) > 0,
            "past": conf.get("dprenet_layers", 2) > 0 and 0 < rate < 1,
        },
    )


def _unsupported(conf: Mapping[str, Any]) -> str | None:
    """Why a model of this configuration is none that ESPnet speaks with, None where it is."""
    for key, known in _CHOICES.items():
        if conf.get(key, known[0]) not in known:
            return f"{key} {conf[key]} is not one of {', '.join(known)}"
    kernels = [key for key, layers in _KERNELS.items() if conf.get(layers, 1) > 0]
    if conf.get("positionwise_layer_type", "conv1d") != "linear":
        kernels.append("positionwise_conv_kernel_size")
    for key in kernels:
        if conf.get(key, 1) % 2 == 0:
            return f"{key} {conf[key]}: an even kernel changes the length"
    if conf.get("dlayers", 6) < 1:
        return "dlayers 0: its decoder never hears the text"
    return None
