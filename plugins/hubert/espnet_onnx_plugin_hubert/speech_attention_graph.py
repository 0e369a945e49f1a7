"""Self-attention of fairseq's blocks, plain or with WavLM's gated bias of distances.

Shapes: B utterances, T frames, D width, H heads, d = D / H.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from espnet_onnx.layers.linear import Affine

from .anatomy_graph import Attention

__all__ = ["SpeechAttention"]


class SpeechAttention(nn.Module):
    """softmax(q k^T / sqrt(d) + gated distances + mask) v.

    The keys' bias adds the same to all scores of a query, which softmax ignores; the values' bias
    comes through whole, as weights sum to one, and moves into the output's.
    """

    def __init__(self, live: Attention) -> None:
        super().__init__()
        self.heads = live.heads
        self.scale = 1 / math.sqrt(live.query.out_features // live.heads)
        self.query, self.out = Affine.of(live.query), Affine.of(live.out)
        self.key, self.value = Affine(live.key.weight), Affine(live.value.weight)
        if live.value.bias is not None:
            self.out = self.out.plus((live.out.weight @ live.value.bias).detach())
        self.gate = None if live.gate is None else _Gate(*live.gate, live.heads)

    def forward(self, x: Tensor, bias: Tensor, distances: Tensor | None) -> Tensor:
        """(B, T, D), a key bias (B, 1, 1, T) and maybe (H, T, T) -> (B, T, D)."""
        q, k, v = (self.split(part(x)) for part in (self.query, self.key, self.value))
        scores = q @ k.transpose(2, 3) * self.scale
        if distances is not None:
            scores = scores + (distances if self.gate is None else self.gate(x) * distances)
        context = torch.softmax(scores + bias, -1) @ v
        return self.out(context.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, H, T, d)."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class _Gate(nn.Module):
    """How much a query heeds distances (`gru_rel_pos` of WavLM's attention).

    The live linear layer's eight outputs are summed by fours, and its weights are here already;
    it looks at each head's part of the frame, so all heads are one block-diagonal product.
    """

    weight: Tensor
    bias: Tensor
    scale: Tensor

    def __init__(self, live: nn.Linear, scale: Tensor, heads: int) -> None:
        super().__init__()
        pair = live.weight.detach().unflatten(0, (2, 4)).sum(1)
        weight = torch.cat([torch.block_diag(*[row[:, None]] * heads) for row in pair], 1)
        offset = live.bias.detach().unflatten(0, (2, 4)).sum(1)
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", offset.repeat_interleave(heads), persistent=False)
        self.register_buffer("scale", scale.detach().clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, H, T, 1)."""
        update, reset = torch.sigmoid(x @ self.weight + self.bias).chunk(2, -1)
        gate = update * (reset * self.scale - 1) + 2
        return gate.transpose(1, 2)[..., None]
