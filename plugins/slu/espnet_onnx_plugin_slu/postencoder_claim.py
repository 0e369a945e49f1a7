"""The claim on slu's post-encoders, which its deliberation encoders are too."""

from __future__ import annotations

import espnet_onnx as eo

__all__ = ["KIND", "claim_postencoder"]

KIND = "slu.postencoder"
TYPES = ("transformer", "conformer")


def claim_postencoder(component: eo.Component) -> eo.Part | None:
    """Claims what `espnet2.slu.postencoder` has; ESPnet itself refuses options it does not know."""
    if component.role != "postencoder" or component.type not in TYPES:
        return None
    return eo.Part(KIND)
