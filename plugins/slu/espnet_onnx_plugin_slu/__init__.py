"""slu: ESPnet's slu task, its post-encoders, and the transcript that a second pass reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from . import postdecoder_claim, postencoder_claim, root_claim

ESPNET_ONNX_API = 1
KINDS = (root_claim.KIND, postencoder_claim.KIND, postdecoder_claim.KIND)

CLAIMS = (
    root_claim.claim_root,
    postencoder_claim.claim_postencoder,
    postdecoder_claim.claim_postdecoder,
)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim slu models, transformer and conformer post-encoders, and the transcript's encoder."""
    for claim in CLAIMS:
        answer = claim(component)
        if answer is not None:
            return answer
    return None


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """Graphs of the part; the root has one only where it reads a transcript."""
    if part.kind == root_claim.KIND:
        if "postdecoder" not in part.children:
            return {}
        from .join_export import join_graphs

        return join_graphs(component)
    if part.kind == postencoder_claim.KIND:
        from .postencoder_export import postencoder_graphs

        return postencoder_graphs(component)
    if part.kind == postdecoder_claim.KIND:
        from .postdecoder_export import postdecoder_graphs

        return postdecoder_graphs(component)
    return None


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """The whole model, or the callable of one of its parts."""
    if node.kind == root_claim.KIND:
        from .root_runtime import build_understander

        return build_understander(node, children, open_session)
    if node.kind == postencoder_claim.KIND:
        from .postencoder_runtime import PostEncoder

        return PostEncoder(open_session("postencoder"))
    if node.kind == postdecoder_claim.KIND:
        from .postdecoder_runtime import build_postdecoder

        return build_postdecoder(node, open_session)
    return None
