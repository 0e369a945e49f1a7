"""Graph of normalize `utterance_mvn`. Shapes: B utterances, T frames, D width."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

import espnet_onnx as eo

from .masking import blank_padding
from .transform_graph import transform_graph

__all__ = ["Normalise", "graph"]

# The module does not know its width; its graph takes any and is checked with this one.
_WIDTH = 80


class Normalise(nn.Module):
    """`espnet2.layers.utterance_mvn.utterance_mvn` over each utterance's own frames.

    In a batch, ESPnet 202511 counts padding into the variance; 202611 does not, and neither does
    an utterance alone, which is what this computes.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.norm_means = bool(live.norm_means)
        self.norm_vars = bool(live.norm_vars)
        self.eps = float(live.eps)

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D), (B,) -> normalised features with zeros behind each utterance, (B,)."""
        count = feats_lengths[:, None, None].to(feats.dtype)
        feats = blank_padding(feats, feats_lengths)
        mean = feats.sum(1, keepdim=True) / count
        centred = blank_padding(feats - mean, feats_lengths)
        out = centred if self.norm_means else feats
        if self.norm_vars:
            variance = (centred * centred).sum(1, keepdim=True) / count
            out = out / variance.sqrt().clamp(min=self.eps)
        return out, feats_lengths.clone()


def graph(component: eo.Component) -> eo.Graph:
    """The normalisation's graph, checked against the live `UtteranceMVN`."""
    live = component.module
    return transform_graph(Normalise(live), live, _WIDTH, fixed=False)
