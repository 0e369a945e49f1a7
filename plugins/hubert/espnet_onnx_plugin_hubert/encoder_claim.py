"""The claim on encoders that hear the waveform itself: `torchaudiohubert`, `hubert`, `wav2vec2`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo

from .receptive_field import RECEPTIVE, SAMPLE_RATE, receptive_field

__all__ = ["KIND", "claim", "torchaudio_layers"]

KIND = "hubert.encoder"
# `torchaudio.models.wav2vec2_model`: channels, kernel, stride.
_DEFAULT_LAYERS = ((512, 10, 5), *4 * ((512, 3, 2),), *2 * ((512, 2, 2),))


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors `TorchAudioHuBERTPretrainEncoder`, `FairseqHubertEncoder`, `FairSeqWav2Vec2Encoder`.

    The part's config holds `shortest` (samples that make one frame) and `sample_rate`.
    """
    reason = _why_not(component)
    if reason is not None:
        return eo.Declined(reason)
    return eo.Part(KIND, config={"shortest": _shortest(component), "sample_rate": SAMPLE_RATE})


def _why_not(component: eo.Component) -> str | None:
    if component.type == "hubert_pretrain":
        return "it only pre-trains: its forward needs the targets (fine-tune it as `hubert`)"
    if component.type == "torchaudiohubert" and not component.conf.get("finetuning"):
        return "finetuning false: it only pre-trains, its forward needs the targets"
    size = component.given.get("input_size")
    if size not in (None, 1):
        return f"it hears waveforms (input_size 1), not features of width {size}"
    return None


def _shortest(component: eo.Component) -> int:
    if component.type == "torchaudiohubert":
        return receptive_field(torchaudio_layers(component.conf))
    # Of fairseq's models only the checkpoint knows; all that were published hear the same.
    extractor = getattr(getattr(component.module, "encoders", None), "feature_extractor", None)
    if extractor is None:
        return RECEPTIVE
    convs = [block[0] for block in extractor.conv_layers]
    return receptive_field([(c.kernel_size[0], c.stride[0]) for c in convs])


def torchaudio_layers(conf: Mapping[str, Any]) -> list[tuple[int, int]]:
    """(kernel, stride) of `extractor_conv_layer_config`; None is torchaudio's own default."""
    layers = conf.get("extractor_conv_layer_config")
    return [(int(kernel), int(stride)) for _, kernel, stride in layers or _DEFAULT_LAYERS]
