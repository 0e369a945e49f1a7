"""What this plugin claims, decided on role, type and conf alone."""

from __future__ import annotations

import espnet_onnx as eo

from .default_claim import claim_default

__all__ = ["claim"]

_KINDS = {
    ("normalize", "global_mvn"): "features.global_mvn",
    ("normalize", "utterance_mvn"): "features.utterance_mvn",
    ("preencoder", "linear"): "features.linear",
}
_DECLINED = {
    ("preencoder", "sinc"): "lightweight sinc convolutions have no ONNX graph yet",
    ("frontend", "sliding_window"): "it serves the sinc preencoder, which has no ONNX graph yet",
}


def claim(component: eo.Component) -> eo.Part | eo.Declined | None:
    """The answer to `split_modules`."""
    key = (component.role, component.type)
    if key == ("frontend", "default"):
        return claim_default(component)
    if key in _DECLINED:
        return eo.Declined(_DECLINED[key])
    return eo.Part(_KINDS[key]) if key in _KINDS else None
