"""The claim on a whole Mask-CTC model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

import espnet_onnx as eo
from espnet_onnx.components import child
from espnet_onnx.recognition import (
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

from .settings import MaskDecoding

__all__ = ["KIND", "claim_root"]

KIND = "mask_ctc.root"
STAGES = ("frontend", "normalize", "preencoder", "encoder", "postencoder")


def claim_root(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructor of `MaskCTCModel` in espnet2.asr.maskctc_model."""
    if (component.role, component.type) != ("model", "asr"):
        return None
    if component.conf.get("model") != "maskctc":
        return None
    reason = _why_not(component)
    if reason is not None:
        return eo.Declined(reason)
    given = given_to_children(component)
    children = stages(component, STAGES, given) | ctc(component, given)
    # Another function than a search's decoder has: it scores places, not next tokens.
    role = {"role": "masked_decoder", "module": live(component, "decoder"), "given": given}
    decoder = child(component, "decoder", **role)
    assert decoder is not None
    children["decoder"] = decoder
    return eo.Part(KIND, children, _config(component), tokenizer_files(component))


def _why_not(component: eo.Component) -> str | None:
    conf = component.conf
    for stage in ("encoder", "decoder"):
        if conf.get(stage) is None:
            return f"{stage} null leaves nothing to decode with"
    if ctc_weight(component) <= 0:
        return "model_conf.ctc_weight 0 trains no CTC, from which decoding starts"
    return no_tokenizer(conf)


def _config(component: eo.Component) -> Mapping[str, Any]:
    """As of any recogniser, and the mask, a token behind those of the config."""
    config = recognition_config(component)
    config["decoding"] = attrs.asdict(MaskDecoding())
    tokens = token_list(component)
    if tokens is not None:
        symbol = (component.conf.get("model_conf") or {}).get("sym_mask", "<mask>")
        config.update(token_list=[*tokens, symbol], mask=len(tokens))
    return config
