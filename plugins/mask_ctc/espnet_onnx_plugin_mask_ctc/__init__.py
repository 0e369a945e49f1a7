"""mask_ctc: Mask-CTC models of ESPnet's asr task, and the decoder that fills in their masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from . import decoder_claim, root_claim

ESPNET_ONNX_API = 1
KINDS = (root_claim.KIND, decoder_claim.KIND)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim Mask-CTC models and their masked decoders."""
    return root_claim.claim_root(component) or decoder_claim.claim_decoder(component)


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """Graphs of the decoder; the root has none of its own."""
    if part.kind == root_claim.KIND:
        return {}
    from .decoder_export import decoder_graphs

    return decoder_graphs(component)


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """The recogniser, or what fills in masks."""
    if node.kind == root_claim.KIND:
        from .root_runtime import build_root

        return build_root(node, children)
    if node.kind == decoder_claim.KIND:
        from .decoder_runtime import MaskedDecoder

        return MaskedDecoder(open_session("memory"), open_session("predict"))
    return None
