"""Graphs of ESPnet's `branchformer` and `e_branchformer` encoders.

Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.branchformer_block import BranchformerBlock
from espnet_onnx.layers.e_branchformer_block import EBranchformerBlock
from espnet_onnx.layers.fast_attention import FastAttention
from espnet_onnx.layers.live_classes import attention_class

from .branchformer_claim import BRANCHFORMER, E_BRANCHFORMER
from .encoder_export import EncoderModule, encoder_graphs

__all__ = ["BranchformerModule", "EBranchformerModule", "branchformer_graphs"]


def branchformer_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `encoder`: see `encoder_export.encoder_graphs`."""
    return encoder_graphs(component, part, MODULES[part.kind])


class BranchformerModule(EncoderModule):
    """A Branchformer encoder over the live weights."""

    def block(self, live: Any) -> nn.Module:
        """The graph form of a `BranchformerEncoderLayer`."""
        return BranchformerBlock(live, None if live.attn is None else _attention(live.attn))


class EBranchformerModule(EncoderModule):
    """An E-Branchformer encoder over the live weights."""

    def block(self, live: Any) -> nn.Module:
        """The graph form of an `EBranchformerEncoderLayer`."""
        return EBranchformerBlock(live, _attention(live.attn))

    def inner(self, x: Tensor) -> Tensor:
        """The block's output as it is: this encoder does not norm what inner CTCs read."""
        return x


def _attention(live: nn.Module) -> nn.Module:
    if type(live).__name__ == "FastSelfAttention":
        return FastAttention(live)
    return attention_class(live)(live)


MODULES: Mapping[str, type[EncoderModule]] = {
    BRANCHFORMER: BranchformerModule,
    E_BRANCHFORMER: EBranchformerModule,
}
