"""The claims on frontends that embed token ids."""

from __future__ import annotations

import espnet_onnx as eo

__all__ = ["EMBED", "KINDS", "PATCH", "claim_frontend"]

EMBED = "mt.embed_frontend"
PATCH = "mt.patch_frontend"
KINDS = (EMBED, PATCH)


def claim_frontend(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors espnet2.mt.frontend.embedding.Embedding and PatchEmbedding.

    `config["patch"]` is the number of tokens that make a frame.
    """
    if component.role != "frontend":
        return None
    if component.type == "embed":
        return eo.Part(EMBED, config={"patch": 1})
    if component.type == "patch":
        return eo.Part(PATCH, config={"patch": int(component.conf.get("token_per_frame", 1))})
    if component.type == "codec":
        return eo.Declined("frontend codec dequantises with a codec, which no plugin here has")
    return None
