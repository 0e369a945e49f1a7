"""The past as the first block of Transformer-TTS's decoder reads it, with other units dropped.

Mirrors `Decoder.forward_one_step`, which puts all frames so far through the prenet at every step.
Shapes: B utterances, S frames so far, D width, N heads, K width of a head, L layers and P units of
the prenet, O features a frame.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.layers.cached_attention import Affine
from espnet_onnx.layers.decoder_block import CachedDecoderBlock

from .input_graph import FrameInput

__all__ = ["PastFrames"]


class PastFrames(nn.Module):
    """Prenet, positions, and the keys and values of the first block.

    Args:
        attention: the live self-attention of that block.
        enter: what stands in front of the blocks.
        block: the first.
    """

    def __init__(self, attention: Any, enter: FrameInput, block: CachedDecoderBlock) -> None:
        super().__init__()
        self.enter, self.first, self.heads = enter, block.first, int(attention.h)
        self.pair, self.k_norm = Affine(attention.linear_k, attention.linear_v), attention.k_norm

    def forward(self, frames: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, O) and (B, S, L, P) -> keys and values, (B, N, S, K) each."""
        batch, count = frames.shape[:2]
        position = torch.arange(count, device=frames.device).repeat(batch)[:, None, None]
        x = self.enter(frames.flatten(0, 1), kept.flatten(0, 1), position)
        heads = self.pair(self.first.enter(x)).view(batch, count, 2 * self.heads, -1)
        key, value = heads.transpose(1, 2).split(self.heads, dim=1)
        return self.k_norm(key), value
