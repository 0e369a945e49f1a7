"""longformer: ESPnet's encoder whose frames attend to a window around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from . import encoder_claim

ESPNET_ONNX_API = 1
KINDS = (encoder_claim.KIND,)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim Longformer encoders."""
    return encoder_claim.claim_encoder(component)


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """The graph of the encoder."""
    from .encoder_export import encoder_graphs

    return encoder_graphs(component, part)


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """The encoder."""
    if node.kind != encoder_claim.KIND:
        return None
    from .encoder_runtime import LongformerRuntime

    return LongformerRuntime(open_session("encoder"), node.config["shortest"])
