"""The claim on a whole multi-speaker model."""

from __future__ import annotations

import attrs

import espnet_onnx as eo
from espnet_onnx.recognition import (
    companions,
    ctc,
    ctc_weight,
    given_to_children,
    no_tokenizer,
    recognition_config,
    stages,
    tokenizer_files,
)

__all__ = ["KIND", "claim_root"]

KIND = "multispeaker.root"
STAGES = ("frontend", "normalize", "preencoder")


def claim_root(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructor of `ESPnetASRModel` in espnet2.asr.pit_espnet_model."""
    if (component.role, component.type) != ("model", "asr"):
        return None
    if component.conf.get("model") != "pit_espnet":
        return None
    reason = _why_not(component)
    if reason is not None:
        return eo.Declined(reason)
    given = given_to_children(component)
    children = stages(component, STAGES, given)
    # Another function than an encoder's: an output for every speaker.
    (encoder,) = stages(component, ("encoder",), given).values()
    children["encoder"] = attrs.evolve(encoder, role="multispeaker_encoder")
    children |= ctc(component, given)
    if ctc_weight(component) < 1:
        children |= stages(component, ("decoder",), given)
    config = {**recognition_config(component), "speakers": _speakers(component)}
    return eo.Part(KIND, children | companions(component), config, tokenizer_files(component))


def _why_not(component: eo.Component) -> str | None:
    conf = component.conf
    if conf.get("encoder") is None:
        return "encoder null separates no speakers"
    if conf.get("decoder") == "transducer":
        return "decoder transducer: no search here decodes several speakers with it"
    if conf.get("postencoder") is not None:
        return f"postencoder {conf['postencoder']} reads one output, and there is one a speaker"
    given = (conf.get("encoder_conf") or {}).get("num_inf", 1)
    if given != _speakers(component):
        return f"encoder_conf.num_inf {given} is not model_conf.num_inf {_speakers(component)}"
    return no_tokenizer(conf)


def _speakers(component: eo.Component) -> int:
    """`model_conf.num_inf`, by default 1 as in ESPnet."""
    return int((component.conf.get("model_conf") or {}).get("num_inf", 1))
