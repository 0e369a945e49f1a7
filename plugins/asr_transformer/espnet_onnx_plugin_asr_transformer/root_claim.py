"""The claim on a whole asr-task model with attention, CTC, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

KIND = "asr_transformer.root"
STAGES = ("frontend", "normalize", "preencoder", "encoder", "postencoder")


def claim_root(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors `ASRTask.build_model` and the constructor of `ESPnetASRModel`."""
    conf = component.conf
    if (component.role, component.type) != ("model", "asr"):
        return None
    if conf.get("model") != "espnet" or conf.get("decoder") == "transducer":
        return None
    reason = _why_not(conf)
    if reason is not None:
        return eo.Declined(reason)
    config, files = recognition_config(component), tokenizer_files(component)
    return eo.Part(KIND, _children(component), config, files)


def _why_not(conf: Mapping[str, Any]) -> str | None:
    if conf.get("encoder") is None:
        return "encoder null decodes the features as they are, which no recogniser here does"
    return no_tokenizer(conf)


def _children(component: eo.Component) -> dict[str, eo.Component]:
    given = given_to_children(component)
    children = stages(component, STAGES, given) | ctc(component, given)
    if ctc_weight(component) < 1:
        children |= stages(component, ("decoder",), given)
    return children | companions(component)
