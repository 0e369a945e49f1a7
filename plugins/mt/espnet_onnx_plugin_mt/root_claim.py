"""The claim on a whole mt-task model: text, or discrete units of speech, to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.recognition import (
    companions,
    ctc,
    given_to_children,
    no_tokenizer,
    recognition_config,
    stages,
    token_list,
    tokenizer_files,
)

__all__ = ["KIND", "claim_root"]

KIND = "mt.root"
STAGES = ("frontend", "preencoder", "encoder", "postencoder", "decoder")
MODELS = ("mt", "discrete_asr")


def claim_root(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors `MTTask.build_model`, `ESPnetMTModel` and `ESPnetDiscreteASRModel`.

    `config["source"]` is how source text becomes ids.
    """
    conf = component.conf
    if (component.role, component.type) != ("model", "mt"):
        return None
    # Models of before there was a choice name none.
    model = conf.get("model") or "mt"
    if model not in MODELS:
        return None
    reason = _why_not(conf, model)
    if reason is not None:
        return eo.Declined(reason)
    given = given_to_children(component)
    children = stages(component, STAGES, given)
    if model == "discrete_asr":
        children |= ctc(component, given)
    files = tokenizer_files(component) | tokenizer_files(component, "src_")
    return eo.Part(KIND, children | companions(component), _config(component, children), files)


def _why_not(conf: Mapping[str, Any], model: str) -> str | None:
    if conf.get("input_size") is not None:
        return "input_size: vectors as input, which no text becomes"
    inner = (conf.get("encoder_conf") or {}).get("interctc_layer_idx")
    if model == "mt" and inner:
        return "interctc_layer_idx: ESPnet's mt model cannot use an encoder with inner outputs"
    if conf.get("src_token_type") is not None:
        for name in ("cleaner", "g2p"):
            if conf.get(name) is not None:
                return f"{name} {conf[name]} changes source text in a way that no bundle knows"
    if conf.get("src_token_type") == "char" and conf.get("non_linguistic_symbols"):
        return "non_linguistic_symbols stand in a file beside the config: no bundle has them"
    return no_tokenizer(conf) or no_tokenizer(conf, "src_")


def _config(component: eo.Component, children: Mapping[str, eo.Component]) -> dict[str, Any]:
    """`Text2Text`'s search settings; <sos/eos> is the last token of either language."""
    weight = 0.5 if "ctc" in children else 0.0
    config = recognition_config(component, weight)
    # `Text2Text` scores prefixes without a window.
    config["decoding"] = {**config["decoding"], "ctc_window_margin": 0}
    tokens = token_list(component)
    if tokens is not None:
        config |= {"sos": len(tokens) - 1, "eos": len(tokens) - 1}
    patch = (component.conf.get("model_conf") or {}).get("patch_size", 1)
    source: dict[str, Any] = {
        "token_type": component.conf.get("src_token_type"),
        "patch_size": int(patch),
    }
    tokens = token_list(component, "src_")
    if tokens is not None:
        source |= {"token_list": tokens, "sos": len(tokens) - 1}
    return {**config, "source": source}
