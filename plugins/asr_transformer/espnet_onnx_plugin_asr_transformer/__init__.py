"""asr_transformer: attention and CTC models of ESPnet's asr task, their encoders and decoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from . import (
    branchformer_claim,
    ctc_claim,
    decoder_claim,
    encoder_claim,
    length_adaptor_claim,
    multiconv_claim,
    root_claim,
)

ESPNET_ONNX_API = 1
KINDS = (
    root_claim.KIND,
    *encoder_claim.KINDS,
    *branchformer_claim.KINDS,
    *multiconv_claim.KINDS,
    *decoder_claim.KINDS,
    *ctc_claim.KINDS,
    *length_adaptor_claim.KINDS,
)

CLAIMS = (
    root_claim.claim_root,
    encoder_claim.claim_encoder,
    branchformer_claim.claim_branchformer,
    multiconv_claim.claim_multiconv,
    decoder_claim.claim_decoder,
    ctc_claim.claim_ctc,
    length_adaptor_claim.claim_length_adaptor,
)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim asr models, their encoders, length adaptors, transformer decoders, and CTC."""
    for claim in CLAIMS:
        answer = claim(component)
        if answer is not None:
            return answer
    return None


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """Graphs of the part, by its role; the root has none of its own."""
    if part.kind == root_claim.KIND:
        return {}
    if part.kind in branchformer_claim.KINDS:
        from .branchformer_export import branchformer_graphs

        return branchformer_graphs(component, part)
    if component.role == "encoder":
        from .encoder_export import encoder_graphs

        return encoder_graphs(component, part)
    if component.role == "decoder":
        from .decoder_export import decoder_graphs

        return decoder_graphs(component, part)
    if component.role == "postencoder":
        from .length_adaptor_export import length_adaptor_graphs

        return length_adaptor_graphs(component, part)
    from .ctc_export import ctc_graphs

    return ctc_graphs(component, part)


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """The recogniser, or the callable of one of its parts."""
    if node.kind == root_claim.KIND:
        from espnet_onnx.parts.recognizer import Recognizer

        return Recognizer.from_node(node, children)
    for module, build in (
        (encoder_claim, _build_encoder),
        (branchformer_claim, _build_encoder),
        (multiconv_claim, _build_encoder),
        (decoder_claim, _build_decoder),
        (ctc_claim, _build_ctc),
        (length_adaptor_claim, _build_length_adaptor),
    ):
        if node.kind in module.KINDS:
            return build(node, children, open_session)
    return None


def _build_encoder(*arguments: Any) -> Any:
    from .encoder_runtime import build_encoder

    return build_encoder(*arguments)


def _build_decoder(*arguments: Any) -> Any:
    from .decoder_runtime import build_decoder

    return build_decoder(*arguments)


def _build_ctc(*arguments: Any) -> Any:
    from .ctc_runtime import build_ctc

    return build_ctc(*arguments)


def _build_length_adaptor(*arguments: Any) -> Any:
    from .length_adaptor_runtime import build_length_adaptor

    return build_length_adaptor(*arguments)
