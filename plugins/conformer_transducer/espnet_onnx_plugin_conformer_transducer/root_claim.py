"""The claim on a whole asr- or st-task model that decodes with a transducer."""

from __future__ import annotations

from collections.abc import Mapping
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

__all__ = ["claim", "prediction"]

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
    tokens = _tokens(component)
    if tokens is not None:
        given |= {"token_list": tokens, "vocab_size": len(tokens)}
    if component.type == "st":
        # ESPnet's st model conditions no encoder on CTC.
        given["ctc"] = None
    children = stages(component, STAGES, given) | prediction(component, given)
    return eo.Part(
        KIND, children | companions(component), _config(component), tokenizer_files(component)
    )


def _why_not(component: eo.Component) -> str | None:
    conf = component.conf
    if conf.get("encoder") is None:
        return "encoder null decodes the features as they are, which no recogniser here does"
    if conf.get("md_encoder") is not None or conf.get("hier_encoder") is not None:
        return "a second encoder before a transducer, which no recogniser here runs"
    tokens = token_list(component)
    if _durations(component) and tokens and _blank(component) not in tokens:
        return f"several blanks, and the tokens have no {_blank(component)}"
    return no_tokenizer(conf)


def prediction(component: eo.Component, given: Mapping[str, Any]) -> dict[str, eo.Component]:
    """The prediction network, which is given the joint network: both run in one graph."""
    joint = live(component, "joint_network") or live(component, "st_joint_network")
    made = child(
        component,
        "decoder",
        name="prediction",
        role="prediction",
        module=live(component, "decoder"),
        given={**given, "joint": joint},
    )
    return {} if made is None else {"prediction": made}


def _config(component: eo.Component) -> dict[str, Any]:
    config = recognition_config(component)
    durations, tokens = _durations(component), _tokens(component)
    if tokens is not None:
        # ESPnet's searches begin with, and look for, token 0; with several blanks the last of them.
        blank = tokens.index(_blank(component)) if durations else 0
        config |= {"token_list": tokens, "blank": blank, "durations": durations}
    config["decoding"] = attrs.asdict(TransducerDecoding(search="mbg" if durations else "default"))
    return config


def _tokens(component: eo.Component) -> list[str] | None:
    """`ASRTask.build_model` puts big blanks before the blank, where the config has none yet."""
    tokens = token_list(component)
    if tokens is None or not _durations(component):
        return tokens
    place = tokens.index(_blank(component))
    for frames in _durations(component):
        if f"<blank{frames}>" not in tokens:
            tokens.insert(place, f"<blank{frames}>")
    return tokens


def _blank(component: eo.Component) -> str:
    return str((component.conf.get("model_conf") or {}).get("sym_blank", "<blank>"))


def _durations(component: eo.Component) -> list[int]:
    """Frames that each big blank stands for; none in an ordinary transducer."""
    conf = component.conf.get("model_conf") or {}
    return [int(n) for n in conf.get("transducer_multi_blank_durations") or ()]
