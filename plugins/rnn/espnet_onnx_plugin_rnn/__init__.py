"""rnn: ESPnet's recurrent encoders, and its recurrent decoder with all of its attentions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from . import decoder_claim, encoder_claim, vgg_claim

ESPNET_ONNX_API = 1
KINDS = (encoder_claim.KIND, vgg_claim.KIND, decoder_claim.KIND)

_CLAIMS = (encoder_claim.claim_encoder, vgg_claim.claim_vgg, decoder_claim.claim_decoder)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim encoders rnn and vgg_rnn, and decoder rnn."""
    answers = (claim(component) for claim in _CLAIMS)
    return next((answer for answer in answers if answer is not None), None)


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """An encoder's graph, or the two of a decoder."""
    if part.kind == encoder_claim.KIND:
        from .encoder_export import rnn_graph

        return {"encoder": rnn_graph(component, part)}
    if part.kind == vgg_claim.KIND:
        from .vgg_export import vgg_graph

        return {"encoder": vgg_graph(component, part)}
    if part.kind == decoder_claim.KIND:
        from .decoder_export import decoder_graphs

        return decoder_graphs(component)
    return None


@eo.hookimpl
def build_runtime(node: eo.Node, open_session: Callable[[str], Session]) -> Any | None:
    """The encoder, or the scorer of a decoder."""
    if node.kind in (encoder_claim.KIND, vgg_claim.KIND):
        from .encoder_runtime import EncoderRuntime

        return EncoderRuntime.of(node, open_session("encoder"))
    if node.kind == decoder_claim.KIND:
        from .decoder_runtime import RNNDecoderScorer

        return RNNDecoderScorer(open_session("memory"), open_session("step"))
    return None
