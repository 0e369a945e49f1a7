"""streaming: encoders that work block by block, on a whole recording or as it comes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from .encoder_claim import KIND, claim_encoder

ESPNET_ONNX_API = 1
KINDS = (KIND,)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim contextual block encoders."""
    return claim_encoder(component)


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """The graphs `subsample` and `blocks`."""
    if part.kind != KIND:
        return None
    from .encoder_export import encoder_graphs

    return encoder_graphs(component, part)


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """The encoder, whole and streaming."""
    if node.kind != KIND:
        return None
    from .encoder_runtime import build_encoder

    return build_encoder(node, open_session)
