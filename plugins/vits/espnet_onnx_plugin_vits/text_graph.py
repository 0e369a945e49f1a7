"""From tokens to what the rest of VITS reads: hidden states, the prior and the condition.

Shapes: B utterances, U tokens, D width, G width of the condition, E of a speaker embedding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.convolution import pointwise
from espnet_onnx.layers.encoder_block import EncoderBlock
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.live_classes import attention_class, position_layer
from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.layers.norm import Norm

__all__ = ["TextModule"]


class TextModule(nn.Module):
    """`TextEncoder.forward`, and the sum of conditions in `VITSGenerator.inference`.

    Attributes:
        input_names: `tokens`, `lengths` and the controls that the model needs.
    """

    def __init__(self, generator: Any, needs: Sequence[str]) -> None:
        """Share the weights of a live `VITSGenerator`."""
        super().__init__()
        self.input_names = ("tokens", "lengths", *needs)
        live = generator.text_encoder
        self.embedding = _Lookup(live.emb)
        self.scale = math.sqrt(live.attention_dim)
        self.positions = position_layer(live.encoder.embed[-1])
        self.blocks = nn.ModuleList(
            EncoderBlock(block, attention_class(block.self_attn)) for block in live.encoder.encoders
        )
        self.norm = Norm(live.encoder.after_norm) if live.encoder.normalize_before else None
        self.prior = pointwise(live.proj)
        makers = {"sids": _speaker, "lids": _language, "spembs": _embedding}
        self.conditions = nn.ModuleList(makers[name](generator) for name in needs)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Tokens (B, U), lengths (B,), and then by `needs` (B,) ids or (B, E) embeddings.

        Returns:
            hidden (B, U, D); the prior's mean and log deviation side by side (B, U, 2D), zero
            behind each utterance; the condition (B, G), where the model needs anything.
        """
        tokens, lengths, *controls = tensors
        mask = frame_mask(lengths, tokens.shape[1])
        x, position = self.positions(self.embedding(tokens) * self.scale, mask)
        for block in self.blocks:
            x = block(x, mask, position)
        if self.norm is not None:
            x = self.norm(x)
        conditions = [f(c) for f, c in zip(self.conditions, controls, strict=True)]
        prior = self.prior(x) * mask.valid
        return (x, prior, sum(conditions[1:], conditions[0])) if conditions else (x, prior)


class _Lookup(nn.Module):
    def __init__(self, live: nn.Embedding) -> None:
        super().__init__()
        self.weight = live.weight

    def forward(self, ids: Tensor) -> Tensor:
        """Ids of any shape -> a row each."""
        return F.embedding(ids, self.weight)


class _Projection(nn.Module):
    def __init__(self, live: nn.Linear) -> None:
        super().__init__()
        self.affine = Affine.of(live)

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, E) of any norm -> (B, G)."""
        return self.affine(F.normalize(embeddings))


def _speaker(generator: Any) -> nn.Module:
    return _Lookup(generator.global_emb)


def _language(generator: Any) -> nn.Module:
    return _Lookup(generator.lang_emb)


def _embedding(generator: Any) -> nn.Module:
    return _Projection(generator.spemb_proj)
