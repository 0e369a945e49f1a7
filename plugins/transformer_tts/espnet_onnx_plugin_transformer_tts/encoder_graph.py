"""Transformer-TTS's encoder: from tokens and conditions to what its decoder attends to.

Mirrors `espnet2.tts.transformer.transformer.Transformer.inference` up to its loop.
Shapes: B utterances, U tokens, D width, N heads, K width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.cached_attention import SharedCrossAttention
from espnet_onnx.layers.cross_memory import CrossMemory
from espnet_onnx.layers.encoder_block import EncoderBlock
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.live_classes import attention_class, position_layer
from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.layers.norm import Norm
from espnet_onnx.layers.tts_conditions import CONDITIONS, Conditions
from espnet_onnx.layers.tts_prenet import TextPrenet

__all__ = ["EncoderModule"]


class EncoderModule(nn.Module):
    """Prenet, blocks, conditions, and the keys and values of every cross-attention.

    Args:
        live: a `Transformer`.
        needs: controls that it cannot speak without.
        attentions: the cross-attentions of the decoder.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
    """

    def __init__(
        self, live: Any, needs: Sequence[str], attentions: Sequence[SharedCrossAttention]
    ) -> None:
        super().__init__()
        encoder = live.encoder
        self.prenet = _Input(encoder.embed[0])
        self.positions = position_layer(encoder.embed[-1])
        self.blocks = nn.ModuleList(
            EncoderBlock(block, attention_class(block.self_attn)) for block in encoder.encoders
        )
        self.norm = Norm(encoder.after_norm) if encoder.normalize_before else None
        self.conditions = Conditions(live)
        self.memory = CrossMemory(attentions)
        self.input_names = ["tokens", "tokens_lengths", *(CONDITIONS[name] for name in needs)]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Tensors in the order of `input_names` -> keys (B, N, K, U) and values (B, N, U, K)."""
        given = dict(zip(self.input_names, tensors, strict=True))
        tokens = given["tokens"]
        mask = frame_mask(given["tokens_lengths"], tokens.shape[1])
        x, position = self.positions(self.prenet(tokens, mask.valid), mask)
        for block in self.blocks:
            x = block(x, mask, position)
        x = x if self.norm is None else self.norm(x)
        memory: tuple[Tensor, ...] = self.memory(self.conditions(x, given))
        return memory


class _Input(nn.Module):
    """An embedding, or one with convolutions and a linear layer behind it."""

    weight: Tensor

    if TYPE_CHECKING:

        def __call__(self, tokens: Tensor, valid: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.prenet: TextPrenet | None = None
        if isinstance(live, nn.Embedding):
            self.weight = live.weight
        else:
            self.prenet, self.linear = TextPrenet(live[0]), Affine.of(live[1])

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """(B, U) and (B, U, 1), 1 on real tokens -> (B, U, D)."""
        if self.prenet is None:
            return F.embedding(tokens, self.weight)
        return self.linear(self.prenet(tokens, valid))
