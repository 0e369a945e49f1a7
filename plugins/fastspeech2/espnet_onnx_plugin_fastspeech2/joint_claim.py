"""The claim on acoustic model `joint_text2wav`: a text2mel model and the vocoder it learnt with."""

from __future__ import annotations

from typing import Any

import espnet_onnx as eo
from espnet_onnx.components import child

__all__ = ["KIND", "claim"]

KIND = "fastspeech2.joint_text2wav"
# ESPnet's name -> our type, and which argument of its constructor is the width of the features.
_VOCODERS = {
    "hifigan_generator": ("hifigan", "in_channels"),
    "melgan_generator": ("melgan", "in_channels"),
    "parallel_wavegan_generator": ("parallel_wavegan", "aux_channels"),
    "style_melgan_generator": ("style_melgan", "aux_channels"),
}
_TEXT2MELS = ("tacotron2", "transformer", "fastspeech", "fastspeech2")
# It fills in the defaults of those models, which are those of the tts task's choices.
_TASK = eo.Component("", "model", "tts")


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors the constructor of `JointText2Wav`: children `text2mel` and `vocoder`."""
    conf = component.conf
    text2mel = str(conf.get("text2mel_type", "fastspeech2"))
    vocoder = str(conf.get("vocoder_type", "hifigan_generator"))
    if text2mel not in _TEXT2MELS:
        return eo.Declined(f"text2mel_type {text2mel} is not one of {', '.join(_TEXT2MELS)}")
    if vocoder not in _VOCODERS:
        return eo.Declined(f"vocoder_type {vocoder} is not one of {', '.join(_VOCODERS)}")
    return eo.Part(
        KIND,
        children={
            "text2mel": _text2mel(component, text2mel),
            "vocoder": _vocoder(component, *_VOCODERS[vocoder]),
        },
    )


def _text2mel(component: eo.Component, type: str) -> eo.Component:
    made = child(
        _TASK,
        "tts",
        name="text2mel",
        role="acoustic",
        type=type,
        conf=component.conf.get("text2mel_params") or {},
        module=_part(component, "text2mel"),
        given=component.given,
    )
    assert made is not None
    return eo.Component(
        made.name, made.role, type, made.conf, made.module, made.given, component.base
    )


def _vocoder(component: eo.Component, type: str, width: str) -> eo.Component:
    """With more bands than one, it joins them by the filter bank of its parent."""
    whole = component.conf
    conf: dict[str, Any] = dict(whole.get("vocoder_params") or {})
    given: dict[str, Any] = {}
    if component.given.get("odim") is not None:
        conf[width] = component.given["odim"]
    if whole.get("sampling_rate") is not None:
        given["sample_rate"] = whole["sampling_rate"]
    if whole.get("use_pqmf"):
        conf["pqmf_params"] = whole.get("pqmf_params") or {}
        if component.module is not None:
            given["pqmf"] = component.module.pqmf
    module = _part(component, "vocoder")
    return eo.Component("vocoder", "vocoder", type, conf, module, given, component.base)


def _part(component: eo.Component, name: str) -> Any:
    return None if component.module is None else component.module.generator[name]
