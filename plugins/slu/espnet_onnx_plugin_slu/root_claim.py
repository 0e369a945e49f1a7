"""The claim on a whole slu-task model, with or without a transcript as second input."""

from __future__ import annotations

from typing import Any

import espnet_onnx as eo
from espnet_onnx.components import child
from espnet_onnx.recognition import (
    companions,
    ctc,
    ctc_weight,
    given_to_children,
    live,
    no_tokenizer,
    recognition_config,
    stages,
    token_list,
    tokenizer_files,
)

__all__ = ["KIND", "claim_root"]

KIND = "slu.root"
STAGES = ("frontend", "normalize", "preencoder", "encoder", "postencoder", "postdecoder")


def claim_root(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors `SLUTask.build_model` and the constructor of `ESPnetSLUModel`."""
    conf = component.conf
    if (component.role, component.type) != ("model", "slu"):
        return None
    if conf.get("model") != "espnet" or conf.get("decoder") == "transducer":
        return None
    reason = _why_not(component)
    if reason is not None:
        return eo.Declined(reason)
    return eo.Part(KIND, _children(component), _config(component), tokenizer_files(component))


def _why_not(component: eo.Component) -> str | None:
    conf = component.conf
    if (conf.get("model_conf") or {}).get("superb_setup"):
        return "model_conf.superb_setup classifies a whole recording, which needs no recogniser"
    # What the recipe's scripts add to a config is in it once the model is alive.
    complete = component.module is not None
    if complete and _reads_transcript(component) and not token_list(component, "transcript_"):
        return "a postdecoder reads transcripts, and there is no transcript_token_list"
    return no_tokenizer(conf)


def _reads_transcript(component: eo.Component) -> bool:
    return component.conf.get("postdecoder") is not None


def _config(component: eo.Component) -> dict[str, Any]:
    config = recognition_config(component)
    # `Speech2Understand` leaves `CTCPrefixScorer` its exact scores.
    config["decoding"]["ctc_window_margin"] = 0
    if "token_list" in config:
        # `ESPnetSLUModel` takes the last token, whatever its name.
        config["sos"] = config["eos"] = len(config["token_list"]) - 1
    words = token_list(component, "transcript_")
    if _reads_transcript(component) and words is not None:
        config["transcript_token_list"] = words
    return config


def _children(component: eo.Component) -> dict[str, eo.Component]:
    given = given_to_children(component)
    children = stages(component, STAGES, given)
    if _reads_transcript(component):
        # `ESPnetSLUModel.encode` never calls it without a postdecoder.
        children |= _deliberation(component)
    children |= ctc(component, given)
    if ctc_weight(component) < 1:
        children |= stages(component, ("decoder",), given)
    return children | companions(component)


def _deliberation(component: eo.Component) -> dict[str, eo.Component]:
    name = "deliberationencoder"
    made = child(component, name, role="postencoder", module=live(component, name))
    return {} if made is None else {name: made}
