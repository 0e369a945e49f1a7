"""st: ESPnet's st task, speech to translated text, with one decoder or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from . import decoder_claim, root_claim

ESPNET_ONNX_API = 1
KINDS = (
    root_claim.KIND,
    root_claim.MULTI_KIND,
    decoder_claim.DECODER,
    decoder_claim.STATES,
)

CLAIMS = (root_claim.claim_root, decoder_claim.claim_decoder, decoder_claim.claim_states)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim st models, decoder transformer_md, and the states of a decoder that transcribes."""
    for claim in CLAIMS:
        answer = claim(component)
        if answer is not None:
            return answer
    return None


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """Graphs of the part; the roots have none of their own."""
    if part.kind == decoder_claim.DECODER:
        from .decoder_export import decoder_graphs

        return decoder_graphs(component, part)
    if part.kind == decoder_claim.STATES:
        from .states_export import states_graphs

        return states_graphs(component, part)
    return {} if part.kind in KINDS else None


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """The translator, or the callable of one of its parts."""
    if node.kind in (root_claim.KIND, root_claim.MULTI_KIND):
        from .root_runtime import build_multidecoder, build_root

        build = build_root if node.kind == root_claim.KIND else build_multidecoder
        return build(node, children)
    if node.kind == decoder_claim.DECODER:
        from .decoder_runtime import TwoSourceScorer

        return TwoSourceScorer(*map(open_session, ("speech", "memory", "step")))
    if node.kind == decoder_claim.STATES:
        from .states_runtime import DecoderStates

        return DecoderStates(open_session("states"))
    return None
