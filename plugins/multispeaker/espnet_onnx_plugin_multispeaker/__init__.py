"""multispeaker: models of ESPnet's asr task that transcribe every speaker of a mixture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from . import encoder_claim, root_claim

ESPNET_ONNX_API = 1
KINDS = (root_claim.KIND, encoder_claim.KIND)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim PIT models and their encoders."""
    return root_claim.claim_root(component) or encoder_claim.claim_encoder(component)


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """The graph of the encoder; the root has none of its own."""
    if part.kind == root_claim.KIND:
        return {}
    from .encoder_export import encoder_graphs

    return encoder_graphs(component, part)


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """The recogniser, or its encoder."""
    if node.kind == root_claim.KIND:
        from .root_runtime import build_root

        return build_root(node, children)
    if node.kind == encoder_claim.KIND:
        from .encoder_runtime import MultiSpeakerEncoder

        return MultiSpeakerEncoder(
            open_session("encoder"), node.config["shortest"], node.config["speakers"]
        )
    return None
