"""One block of an E-Branchformer encoder.

Mirrors `espnet2...e_branchformer_encoder.EBranchformerEncoderLayer`.
Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .cgmlp import GatingMlp
from .convolution import ResidualDepthwiseConv
from .feed_forward import FeedForward
from .linear import Affine
from .masks import FrameMask
from .norm import Norm
from .positions import Position

__all__ = ["EBranchformerBlock"]


class EBranchformerBlock(nn.Module):
    """[half feed-forward,] both branches, [half feed-forward,] norm.

    The branches side by side go through a depthwise convolution with a residual, then a linear
    layer.
    """

    def __init__(self, live: Any, attention: nn.Module) -> None:
        """Share the weights of `live`; `attention` is the graph form of its attention."""
        super().__init__()
        macaron, feed_forward = live.feed_forward_macaron, live.feed_forward
        self.scale = float(live.ff_scale)
        self.macaron = macaron and FeedForward(macaron)
        self.macaron_norm = macaron and Norm(live.norm_ff_macaron)
        self.attention, self.attention_norm = attention, Norm(live.norm_mha)
        self.mlp, self.mlp_norm = GatingMlp(live.cgmlp), Norm(live.norm_mlp)
        self.fusion = ResidualDepthwiseConv(live.depthwise_conv_fusion)
        self.merge = Affine.of(live.merge_proj)
        self.feed_forward = feed_forward and FeedForward(feed_forward)
        self.feed_forward_norm = feed_forward and Norm(live.norm_ff)
        self.final_norm = Norm(live.norm_final)

    def forward(self, x: Tensor, mask: FrameMask, position: Position) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        if self.macaron is not None:
            x = x + self.macaron(self.macaron_norm(x), mask.valid) * self.scale
        context = self.attention(self.attention_norm(x), mask.bias, position)
        local = self.mlp(self.mlp_norm(x), mask.valid)
        # Padding holds the layers' biases, and the convolution must not see them.
        x = x + self.merge(self.fusion(torch.cat((context, local), -1) * mask.valid))
        if self.feed_forward is not None:
            x = x + self.feed_forward(self.feed_forward_norm(x), mask.valid) * self.scale
        return self.final_norm(x)
