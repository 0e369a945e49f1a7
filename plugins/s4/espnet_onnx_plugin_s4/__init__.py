"""s4: attention decoders whose memory of tokens is a structured state space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from . import decoder_claim

ESPNET_ONNX_API = 1
KINDS = decoder_claim.KINDS


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim S4 decoders."""
    return decoder_claim.claim_decoder(component)


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """The graphs `memory` and `step`."""
    from .decoder_export import decoder_graphs

    return decoder_graphs(component, part)


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """The scorer."""
    if node.kind not in KINDS:
        return None
    from .decoder_runtime import S4Scorer

    return S4Scorer(open_session("memory"), open_session("step"))
