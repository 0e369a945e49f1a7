"""The claim on a whole lm-task model."""

from __future__ import annotations

import espnet_onnx as eo
from espnet_onnx.components import child
from espnet_onnx.recognition import live, no_tokenizer, token_list, tokenizer_files

__all__ = ["KIND", "claim_root"]

KIND = "lm.root"


def claim_root(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors `LMTask.build_model` and `ESPnetLanguageModel`, whose <sos/eos> is the last token."""
    conf = component.conf
    if (component.role, component.type) != ("model", "lm"):
        return None
    if conf.get("model", "lm") != "lm":
        return eo.Declined(f"model {conf['model']} predicts speech tokens too: only lm is here")
    reason = no_tokenizer(conf)
    if reason is not None:
        return eo.Declined(reason)
    config: dict[str, object] = {"token_type": conf.get("token_type")}
    tokens = token_list(component)
    if tokens is not None:
        config["token_list"] = tokens
    lm = child(component, "lm", module=live(component, "lm"))
    children = {} if lm is None else {"lm": lm}
    return eo.Part(KIND, children, config, tokenizer_files(component))
