"""Graph of normalize `global_mvn`. Shapes: B utterances, T frames, D width."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

import espnet_onnx as eo

from .masking import blank_padding
from .transform_graph import transform_graph

__all__ = ["Normalise", "graph"]


class Normalise(nn.Module):
    """`espnet2.layers.global_mvn.GlobalMVN.forward` with the live module's statistics."""

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, live: Any) -> None:
        super().__init__()
        # Kaldi-style statistics are float64; ESPnet casts them to the features' type.
        self.register_buffer("mean", live.mean.float() if live.norm_means else None)
        self.register_buffer("std", live.std.float() if live.norm_vars else None)

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D), (B,) -> normalised features with zeros behind each utterance, (B,)."""
        if self.mean is not None:
            feats = feats - self.mean
        if self.std is not None:
            feats = feats / self.std
        return blank_padding(feats, feats_lengths), feats_lengths.clone()


def graph(component: eo.Component) -> eo.Graph:
    """The normalisation's graph, checked against the live `GlobalMVN`."""
    live = component.module
    return transform_graph(Normalise(live), live, live.mean.shape[-1])
