"""The two graphs of a Transformer decoder (needs torch).

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, T encoder
frames, D width, N heads, K width of a head, V tokens, L blocks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.cached_attention import Affine, frame_bias, own_slots
from espnet_onnx.layers.cross_memory import FRAMES, memory_axes, memory_graph, memory_names
from espnet_onnx.layers.decoder_block import CachedDecoderBlock

from .decoder_reference_export import DecoderReference

__all__ = ["DecoderStep", "decoder_graphs"]

TRIALS = ((9, 3, 5), (5,), (1,), (27, 14))


class DecoderStep(nn.Module):
    """`TransformerDecoder.forward_one_step` for the last token of every hypothesis.

    Args:
        decoder: a live `TransformerDecoder`.
        blocks: its blocks, whose cross-attentions the graph `memory` shares.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
    """

    rates: Tensor

    def __init__(self, decoder: Any, blocks: Sequence[CachedDecoderBlock]) -> None:
        super().__init__()
        self.embed, positions = decoder.embed[0], decoder.embed[-1]
        self.blocks = nn.ModuleList(blocks)
        self.after_norm = decoder.after_norm if decoder.normalize_before else nn.Identity()
        self.output_layer = Affine(decoder.output_layer)
        # ScaledPositionalEncoding scales the positions, PositionalEncoding the embedding.
        self.alpha = getattr(positions, "alpha", None)
        self.embed_scale = 1.0 if self.alpha is not None else positions.xscale
        self.register_buffer("rates", _rates(self.embed.embedding_dim), persistent=False)
        names = ["tokens", "ancestors", "encoder_out_lengths"]
        self.input_names = [*names, *memory_names(len(blocks)), *_names("past_", len(blocks))]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One step.

        Args:
            tensors: tokens (B, H), ancestors (B, H, U), encoder_out_lengths (B,); for every block
                cross-attention keys (B, N, K, T) and values (B, N, T, K); for every block cached
                keys and values (B, N, S, K).

        Returns:
            log_probs (B, H, V); for every block keys and values (B, N, H, K) of new slots.
        """
        tokens, ancestors, lengths, *caches = tensors
        blocks = len(self.blocks)
        pairs = list(zip(caches[0::2], caches[1::2], strict=True))
        memories, pasts = pairs[:blocks], pairs[blocks:]
        bias = frame_bias(lengths, memories[0][0].shape[3])
        seen = own_slots(ancestors, pasts[0][0].shape[2])
        x = self._embed(tokens, ancestors.shape[2]).flatten(0, 1)
        new: list[Tensor] = []
        for block, memory, past in zip(self.blocks, memories, pasts, strict=True):
            x, key, value = block(x, (*memory, bias), (*past, seen))
            new += [key, value]
        scores = self.output_layer(self.after_norm(x))
        log_probs = torch.log_softmax(scores, -1).view(*tokens.shape, -1)
        return (log_probs, *new)

    def _embed(self, tokens: Tensor, position: int | torch.SymInt) -> Tensor:
        """`PositionalEncoding.forward` at one position: (B, H) -> (B, H, D)."""
        angles = self.rates * torch.full((1,), position)
        encoding = torch.stack([angles.sin(), angles.cos()], -1).flatten()
        if self.alpha is not None:
            encoding = self.alpha * encoding
        embedded: Tensor = self.embed(tokens) * self.embed_scale + encoding
        return embedded


def decoder_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The graphs `memory` and `step` of a live `TransformerDecoder`."""
    decoder = component.module
    blocks = [CachedDecoderBlock(layer) for layer in decoder.decoders]
    live = [layer.src_attn for layer in decoder.decoders]
    memory = memory_graph([block.src_attn for block in blocks], live, TRIALS)
    step = DecoderStep(decoder, blocks).eval()
    return {"memory": memory, "step": _step_graph(step, DecoderReference(decoder, memory))}


def _step_graph(module: DecoderStep, reference: DecoderReference) -> eo.Graph:
    blocks = len(module.blocks)
    past = ("batch", None, "slots", None)
    return eo.Graph(
        module,
        outputs=["log_probs", *_names("", blocks)],
        axes={
            "tokens": ("batch", "beams"),
            "ancestors": ("batch", "beams", "past"),
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
            "prefix": ("batch", "beams", None),
            **memory_axes(blocks),
            **dict.fromkeys(_names("past_", blocks), past),
            "log_probs": ("batch", "beams", None),
            **dict.fromkeys(_names("", blocks), ("batch", None, "beams", None)),
        },
        feed=reference.step_feed,
        reference=reference.step,
        trials=TRIALS,
        lengths=FRAMES,
    )


def _names(prefix: str, blocks: int) -> list[str]:
    return [f"{prefix}{what}_{block}" for block in range(blocks) for what in ("key", "value")]


def _rates(width: int) -> Tensor:
    """Radians a position of every sine of `PositionalEncoding.extend_pe`: (D / 2,)."""
    return torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * -(math.log(1e4) / width))
