"""Graph of preencoder `linear`. Shapes: B utterances, T frames, D width in, E width out."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

import espnet_onnx as eo

from .transform_graph import transform_graph

__all__ = ["Projection", "graph"]


class Projection(nn.Module):
    """`espnet2.asr.preencoder.linear.LinearProjection.forward` without its dropout."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.linear_out = live.linear_out

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D), (B,) -> (B, T, E), (B,)."""
        return self.linear_out(feats), feats_lengths.clone()


def graph(component: eo.Component) -> eo.Graph:
    """The projection's graph, checked against the live `LinearProjection`."""
    live = component.module
    width = live.linear_out.in_features
    return transform_graph(Projection(live), live, width, quantise=eo.Quantise())
