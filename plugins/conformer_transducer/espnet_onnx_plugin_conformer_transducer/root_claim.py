"""The claim on a whole asr- or st-task model that decodes with a transducer."""

from __future__ import annotations

from typing import Any

import attrs

import espnet_onnx as eo
from espnet_onnx.components import child
from espnet_onnx.recognition import (
    companions,
    given_to_children,
    live,
    no_tokenizer,
    recognition_config,
    stages,
    token_list,
    tokenizer_files,
)

from .settings import TransducerDecoding

__all__ = ["claim"]

KIND = "conformer_transducer.root"
STAGES = ("frontend", "normalize", "preencoder", "encoder", "postencoder")


def claim(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors `ESPnetASRModel` and `ESPnetSTModel` with a joint network.

    CTC and an attention decoder beside the transducer only help the training.
    """
    conf = component.conf
    if conf.get("decoder") != "transducer":
        return None
    if component.type == "asr" and conf.get("model") != "espnet":
        return None
    reason = _why_not(component)
    if reason is not None:
        return eo.Declined(reason)
    given = given_to_children(component)
    children = stages(component, STAGES, given) | _prediction(component, given)
    return eo.Part(
        KIND, children | companions(component), _config(component), tokenizer_files(component)
    )


def _why_not(component: eo.Component) -> str | None:
    if component.conf.get("encoder") is None:
        return "encoder null decodes the features as they are, which no recogniser here does"
    return no_tokenizer(component.conf)


def _prediction(component: eo.Component, given: dict[str, Any]) -> dict[str, eo.Component]:
    """The prediction network, which is given the joint network: both run in one graph."""
    given = {**given, "joint": live(component, "joint_network")}
    made = child(
        component,
        "decoder",
        role="prediction",
        module=live(component, "decoder"),
        given=given,
    )
    return {} if made is None else {"prediction": attrs.evolve(made, name="prediction")}


def _config(component: eo.Component) -> dict[str, Any]:
    config = recognition_config(component)
    durations = _durations(component)
    tokens = token_list(component)
    if tokens is not None:
        conf = component.conf.get("model_conf") or {}
        # ESPnet's searches begin with, and look for, token 0; with several blanks the last of them.
        symbol = conf.get("sym_blank", "<blank>") if durations else tokens[0]
        config |= {"blank": tokens.index(symbol), "durations": durations}
    config["decoding"] = attrs.asdict(TransducerDecoding(search="mbg" if durations else "default"))
    return config


def _durations(component: eo.Component) -> list[int]:
    """Frames that each big blank stands for; none in an ordinary transducer."""
    conf = component.conf.get("model_conf") or {}
    return [int(n) for n in conf.get("transducer_multi_blank_durations") or ()]
