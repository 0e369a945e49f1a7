"""The claim on a whole asr-task model with attention, CTC, or both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

import espnet_onnx as eo
from espnet_onnx.components import child
from espnet_onnx.parts.decoding import Decoding
from espnet_onnx.parts.tokenizer import TOKEN_TYPES

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
    return eo.Part(KIND, _children(component), _config(component), _files(component))


def _why_not(conf: Mapping[str, Any]) -> str | None:
    token_type = conf.get("token_type")
    if token_type is not None and token_type not in TOKEN_TYPES:
        known = ", ".join(TOKEN_TYPES)
        return f"token type {token_type} has no tokenizer here (there are {known})"
    if conf.get("encoder") is None:
        return "encoder null decodes the features as they are, which no recogniser here does"
    return None


def _children(component: eo.Component) -> dict[str, eo.Component]:
    children = {}
    for stage in STAGES:
        if stage == "frontend" and component.conf.get("input_size") is not None:
            continue  # features come in ready, as `ASRTask.build_model` takes an input_size
        found = child(component, stage, module=_live(component, stage), given=_given(component))
        if found is not None:
            children[stage] = found
    weight = _ctc_weight(component)
    if weight > 0:
        conf = component.conf.get("ctc_conf") or {}
        children["ctc"] = eo.Component(
            "ctc",
            "ctc",
            str(conf.get("ctc_type", "builtin")),
            conf,
            _live(component, "ctc"),
            _given(component),
            component.base,
        )
    decoder = child(
        component, "decoder", module=_live(component, "decoder"), given=_given(component)
    )
    if weight < 1 and decoder is not None:
        children["decoder"] = decoder
    return children


def _live(component: eo.Component, name: str) -> Any:
    return None if component.module is None else getattr(component.module, name, None)


def _given(component: eo.Component) -> dict[str, Any]:
    tokens = _token_list(component)
    given: dict[str, Any] = {"input_size": _input_size(component)}
    if tokens is not None:
        given.update(token_list=tokens, vocab_size=len(tokens))
    given["ctc"] = _live(component, "ctc")
    return given


def _input_size(component: eo.Component) -> int | None:
    """Width of the features that the encoder sees; a live stage knows its own."""
    for stage in ("preencoder", "frontend"):
        live = _live(component, stage)
        if live is not None:
            return int(live.output_size())
    size = component.conf.get("input_size")
    return None if size is None else int(size)


def _ctc_weight(component: eo.Component) -> float:
    return float((component.conf.get("model_conf") or {}).get("ctc_weight", 0.5))


def _token_list(component: eo.Component) -> list[str] | None:
    tokens = component.conf.get("token_list")
    return [str(t) for t in tokens] if isinstance(tokens, list | tuple) else None


def _config(component: eo.Component) -> dict[str, Any]:
    conf = component.conf
    config: dict[str, Any] = {"token_type": conf.get("token_type")}
    tokens = _token_list(component)
    if tokens is not None:
        config.update(token_list=tokens, **_special_tokens(component, tokens))
    weight = _ctc_weight(component)
    # Whole, so that a bundle decodes the same whatever later versions take for default.
    config["decoding"] = attrs.asdict(Decoding(ctc_weight=0.5 if 0 < weight < 1 else weight))
    return config


def _special_tokens(component: eo.Component, tokens: list[str]) -> dict[str, int]:
    """`ESPnetASRModel.__init__`: <sos/eos> by name, else last; CTC's blank is 0, whatever its name.

    ESPnet trains CTC (`torch.nn.CTCLoss`) and scores with it (`CTCPrefixScorer`) with blank 0 and
    heeds `sym_blank` only for transducers and error rates.
    """
    conf = component.conf.get("model_conf") or {}

    def index(key: str) -> int:
        symbol = conf.get(key, "<sos/eos>")
        return tokens.index(symbol) if symbol in tokens else len(tokens) - 1

    return {"blank": 0, "sos": index("sym_sos"), "eos": index("sym_eos")}


def _files(component: eo.Component) -> dict[str, Path]:
    conf = component.conf
    if conf.get("token_type") != "bpe" or not conf.get("bpemodel"):
        return {}
    path = Path(conf["bpemodel"])
    if component.base is not None and not path.is_absolute():
        path = component.base / path
    return {"bpemodel": path}
