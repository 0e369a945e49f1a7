"""The graph of a Transformer language model (needs torch).

Shapes: B utterances, H hypotheses an utterance, R = B * H rows, U tokens decoded so far, S cache
slots, D width, E width of an embedding, N heads, K width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.cached_attention import (
    Affine,
    CachedSelfAttention,
    key_value_names,
    own_slots,
)
from espnet_onnx.layers.cached_step import StepOutput, StepPositions, step_axes
from espnet_onnx.layers.decoder_block import FeedForward, Residual

from .transformer_reference import TransformerReference

__all__ = ["CachedEncoderBlock", "TransformerStep", "transformer_graphs"]

# Histories; their numbers of hypotheses follow from the batch.
TRIALS = ((9, 3, 5), (5,), (0,), (27, 14))


class CachedEncoderBlock(nn.Module):
    """ESPnet's `EncoderLayer.forward` with a cache, of keys and values where its own is of output.

    Args:
        layer: a live Transformer `EncoderLayer`.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        before = layer.normalize_before
        concat = layer.concat_linear if layer.concat_after else None
        self.self_attn = CachedSelfAttention(layer.self_attn)
        self.feed_forward = FeedForward(layer.feed_forward)
        self.first = Residual(layer.norm1, before, concat)
        self.second = Residual(layer.norm2, before)

    def forward(
        self, x: Tensor, past: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step.

        Args:
            x: (R, D).
            past: keys and values (B, N, S, K), the slots that each hypothesis sees, and whether it
                sees its own.

        Returns:
            (R, D), and the new slots' keys and values, (B, N, H, K) each.
        """
        entered = self.first.enter(x)
        y, key, value = self.self_attn(entered, *past)
        x = self.first.leave(x, entered, y)
        entered = self.second.enter(x)
        return self.second.leave(x, entered, self.feed_forward(entered)), key, value


class TransformerStep(nn.Module):
    """`TransformerLM.batch_score` for the last token of every hypothesis.

    Token 0 is hidden from every query, as `TransformerLM._target_mask` hides padding. Where it
    stands in the past, `ancestors` names another slot of the same hypothesis instead.

    Args:
        lm: a live `TransformerLM`.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
    """

    def __init__(self, lm: Any) -> None:
        super().__init__()
        self.embed = lm.embed
        linear, self.embed_norm, *_, positions = lm.encoder.embed
        self.embed_linear = Affine(linear)
        self.blocks = nn.ModuleList(CachedEncoderBlock(layer) for layer in lm.encoder.encoders)
        norm = lm.encoder.after_norm if lm.encoder.normalize_before else None
        self.output = StepOutput(norm, lm.decoder)
        # `pos_enc: null` puts an empty Sequential there.
        known = hasattr(positions, "xscale")
        self.positions = StepPositions(positions, linear.out_features) if known else None
        past = key_value_names("past_", len(self.blocks))
        self.input_names = ["tokens", "ancestors", *past]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One step.

        Args:
            tensors: tokens (B, H), ancestors (B, H, U); for every block cached keys and values
                (B, N, S, K).

        Returns:
            log_probs (B, H, V); for every block keys and values (B, N, H, K) of new slots.
        """
        tokens, ancestors, *caches = tensors
        seen = own_slots(ancestors, caches[0].shape[2])
        own = (tokens != 0)[:, None, :, None]
        x = self._embed(tokens.flatten(), ancestors.shape[2])
        new: list[Tensor] = []
        for block, key, value in zip(self.blocks, caches[0::2], caches[1::2], strict=True):
            x, new_key, new_value = block(x, (key, value, seen, own))
            new += [new_key, new_value]
        return (self.output(x, tokens.shape), *new)

    def _embed(self, tokens: Tensor, position: int | torch.SymInt) -> Tensor:
        """`TransformerLM.embed`, `Encoder.embed` with input layer `linear`: (R,) -> (R, D)."""
        x: Tensor = self.embed_norm(self.embed_linear(self.embed(tokens))).relu()
        if self.positions is None:
            return x
        return self.positions(x, torch.full((1,), position))


def transformer_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The graph `step` of a live `TransformerLM`."""
    module = TransformerStep(component.module).eval()
    reference = TransformerReference(component.module)
    blocks = len(module.blocks)
    step = eo.Graph(
        module,
        outputs=["log_probs", *key_value_names("", blocks)],
        axes=step_axes(blocks),
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
    )
    return {"step": step}
