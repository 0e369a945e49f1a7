"""The claim on a whole model of ESPnet's `hubert` task: a pre-trained feature extractor."""

from __future__ import annotations

from typing import Any

import espnet_onnx as eo
from espnet_onnx.components import child

from .encoder_claim import torchaudio_layers
from .receptive_field import RECEPTIVE, SAMPLE_RATE, STRIDE, receptive_field, stride_of

__all__ = ["KIND", "blocks", "claim"]

KIND = "hubert.pretrained"


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Claims `HubertTask`'s models over waveforms, with what s3prl's `espnet_hubert` reads of them.

    These are the outputs of the blocks, numbered from 0, without the norm that may stand behind
    the last one. The last is the default.
    """
    conf = component.conf
    if conf.get("input_size") != 1:
        return eo.Declined("its encoder hears waveforms, which takes input_size 1")
    for stage in ("normalize", "preencoder"):
        if conf.get(stage):
            return eo.Declined(f"{stage} {conf[stage]} in front of an encoder that hears waveforms")
    config: dict[str, Any] = {"sample_rate": SAMPLE_RATE}
    encoder = child(component, "encoder")
    if encoder is not None and encoder.type == "torchaudio_hubert":
        layers = torchaudio_layers(encoder.conf)
        config |= {"hop_length": stride_of(layers), "shortest": receptive_field(layers)}
    else:
        config |= {"hop_length": STRIDE, "shortest": RECEPTIVE}
    if component.module is not None:
        live = component.module.encoder
        config["width"] = int(live.output_size())
        config["layer_weights"] = [0.0] * (len(blocks(live)) - 1) + [1.0]
    return eo.Part(KIND, config=config)


def blocks(encoder: Any) -> Any:
    """The transformer blocks of a live encoder, torchaudio's or fairseq's."""
    if hasattr(encoder, "hubert_pretrain_model"):
        return encoder.hubert_pretrain_model.wav2vec2.encoder.transformer.layers
    return encoder.encoder.encoder.layers
