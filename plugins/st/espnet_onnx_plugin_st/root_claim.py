"""The claim on a whole st-task model: speech of one language to text of another."""

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

from .settings import MultiDecoding

__all__ = ["KIND", "MULTI_KIND", "claim_root"]

KIND = "st.root"
MULTI_KIND = "st.multidecoder_root"
STAGES = ("frontend", "normalize", "preencoder", "encoder", "hier_encoder", "postencoder")
ENCODERS = ("encoder", "hier_encoder", "md_encoder")


def claim_root(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors `STTask.build_model`, `ESPnetSTModel` and what `st_inference.Speech2Text` uses.

    `config["unused"]` names what the model holds for training alone; the bundle leaves it out.
    """
    if (component.role, component.type) != ("model", "st"):
        return None
    if component.conf.get("decoder") == "transducer":
        return None
    reason = _why_not(component.conf)
    if reason is not None:
        return eo.Declined(reason)
    children = _children(component)
    config = {**_config(component), "unused": _unused(component, children)}
    files = tokenizer_files(component)
    if component.conf.get("md_encoder") is None:
        return eo.Part(KIND, children, config, files)
    files |= tokenizer_files(component, "src_")
    return eo.Part(MULTI_KIND, children, config, files)


def _why_not(conf: Mapping[str, Any]) -> str | None:
    if conf.get("encoder") is None:
        return "encoder null decodes the features as they are, which ESPnet does not do either"
    if any((conf.get(f"{name}_conf") or {}).get("interctc_layer_idx") for name in ENCODERS):
        return "interctc_layer_idx: ESPnet's st model cannot use an encoder with inner outputs"
    if conf.get("md_encoder") is not None:
        return no_tokenizer(conf) or no_tokenizer(conf, "src_") or _why_not_multi(conf)
    if conf.get("decoder") == "transformer_md":
        return "decoder transformer_md reads an md_encoder, and the config names none"
    return no_tokenizer(conf)


def _why_not_multi(conf: Mapping[str, Any]) -> str | None:
    """What `Speech2Text` takes from the model for the transcript, it must have."""
    asr = conf.get("extra_asr_decoder")
    if not (_weight(conf, "asr_weight") > 0 and 0 < _weight(conf, "mtlalpha") < 1 and asr):
        return (
            "md_encoder: ESPnet transcribes first, with extra_asr_decoder and ctc, and the config"
            " has not both (asr_weight above 0, mtlalpha between 0 and 1)"
        )
    if asr != "transformer":
        return f"extra_asr_decoder {asr}: its hidden states, which md_encoder reads, have no graph"
    return None


def _children(component: eo.Component) -> dict[str, eo.Component]:
    conf, given = component.conf, given_to_children(component)
    # ESPnet's st model conditions no encoder on CTC.
    given["ctc"] = None
    children = {
        name: attrs.evolve(made, role="encoder" if name == "hier_encoder" else made.role)
        for name, made in stages(component, STAGES, given).items()
    }
    if _weight(conf, "st_mtlalpha") < 1:
        children |= stages(component, ("decoder",), given)
    if _weight(conf, "st_mtlalpha") > 0:
        children["st_ctc"] = _ctc(component, "st_ctc", given)
    if conf.get("md_encoder") is not None:
        children |= _multi_children(component, given)
    return children | companions(component)


def _multi_children(component: eo.Component, given: dict[str, Any]) -> dict[str, eo.Component]:
    """What transcribes, and what reads the transcript's hidden states."""
    tokens = token_list(component, "src_")
    source = dict(given) if tokens is None else {**given, "token_list": tokens}
    if tokens is not None:
        source["vocab_size"] = len(tokens)
    decoder = live(component, "extra_asr_decoder")
    choice, encoder = "extra_asr_decoder", live(component, "md_encoder")
    made = (
        child(component, choice, role="decoder", module=decoder, given=source),
        child(
            component, choice, name="states", role="decoder_states", module=decoder, given=source
        ),
        child(component, "md_encoder", role="encoder", module=encoder, given=given),
    )
    children = {c.name: c for c in made if c is not None}
    return {**children, "ctc": _ctc(component, "ctc", source)}


def _ctc(component: eo.Component, name: str, given: Mapping[str, Any]) -> eo.Component:
    conf = component.conf.get("ctc_conf") or {}
    type = str(conf.get("ctc_type", "builtin"))
    return eo.Component(name, "ctc", type, conf, live(component, name), given, component.base)


def _unused(component: eo.Component, children: Mapping[str, eo.Component]) -> list[str]:
    """Parts of the model that its config asks for and inference does not."""
    conf = component.conf
    asr, mt = _weight(conf, "asr_weight") > 0, _weight(conf, "mt_weight") > 0
    there = {
        "ctc": asr and _weight(conf, "mtlalpha") > 0,
        "extra_asr_decoder": asr and _weight(conf, "mtlalpha") < 1,
        "extra_mt_decoder": mt,
        "extra_mt_encoder": mt,
    }
    named = {name: name == "ctc" or conf.get(name) is not None for name in there}
    return [n for n, used in there.items() if used and named[n] and n not in children]


def _config(component: eo.Component) -> dict[str, Any]:
    conf = component.conf
    config = recognition_config(component)
    # `Speech2Text` of st: CTC off unless asked for, its prefix scores without a window.
    decoding = {"ctc_weight": float(_weight(conf, "st_mtlalpha") >= 1), "ctc_window_margin": 0}
    config["decoding"] = {**config["decoding"], **decoding}
    tokens = token_list(component)
    if tokens is not None:
        config |= {"sos": _index(conf, "sos", tokens), "eos": _index(conf, "eos", tokens)}
    if conf.get("md_encoder") is None:
        return config
    multi = MultiDecoding(**config["decoding"])
    source: dict[str, Any] = {"token_type": conf.get("src_token_type")}
    tokens = token_list(component, "src_")
    if tokens is not None:
        last = len(tokens) - 1
        source |= {"token_list": tokens, "sos": last, "eos": last, "blank": 0}
    return {**config, "decoding": attrs.asdict(multi), "source": source}


def _index(conf: Mapping[str, Any], name: str, tokens: list[str]) -> int:
    """`ESPnetSTModel.__init__`: <sos/eos> by its name, else the last token."""
    symbol = (conf.get("model_conf") or {}).get(f"tgt_sym_{name}", "<sos/eos>")
    return tokens.index(symbol) if symbol in tokens else len(tokens) - 1


def _weight(conf: Mapping[str, Any], name: str) -> float:
    """A weight of `model_conf`; ESPnet's defaults are all 0."""
    return float((conf.get("model_conf") or {}).get(name, 0.0))
