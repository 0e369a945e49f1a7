"""The claim on an n-gram model that kenlm reads."""

from __future__ import annotations

from pathlib import Path

import espnet_onnx as eo

__all__ = ["KIND", "claim_ngram"]

KIND = "lm.ngram"


def claim_ngram(component: eo.Component) -> eo.Part | None:
    """Mirrors espnet2's `NgramFullScorer`: the file, and the tokens as the n-gram spells them."""
    if (component.role, component.type) != ("ngram", "kenlm"):
        return None
    path = Path(component.conf["ngram_file"])
    if component.base is not None:
        path = component.base / path
    config: dict[str, object] = {}
    if component.given.get("token_list") is not None:
        config["token_list"] = list(component.given["token_list"])
    return eo.Part(KIND, config=config, files={"ngram": path})
