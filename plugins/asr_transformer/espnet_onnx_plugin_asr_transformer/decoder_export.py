"""The two graphs of a Transformer decoder (needs torch).

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, T encoder
frames, D width, N heads, K width of a head, V tokens, L blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.cached_attention import frame_bias, key_value_names, own_slots
from espnet_onnx.layers.cached_step import StepEmbedding, StepOutput, step_axes
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

    def __init__(self, decoder: Any, blocks: Sequence[CachedDecoderBlock]) -> None:
        super().__init__()
        self.embed = StepEmbedding(decoder.embed)
        self.blocks = nn.ModuleList(blocks)
        norm = decoder.after_norm if decoder.normalize_before else None
        self.output = StepOutput(norm, decoder.output_layer)
        names = ["tokens", "ancestors", "encoder_out_lengths", *memory_names(len(blocks))]
        self.input_names = [*names, *key_value_names("past_", len(blocks))]

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
        x = self.embed(tokens, torch.full((1,), ancestors.shape[2]))
        new: list[Tensor] = []
        for block, memory, past in zip(self.blocks, memories, pasts, strict=True):
            x, key, value = block(x, (*memory, bias), (*past, seen))
            new += [key, value]
        return (self.output(x, tokens.shape), *new)


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
    return eo.Graph(
        module,
        outputs=["log_probs", *key_value_names("", blocks)],
        axes={
            **step_axes(blocks),
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
            **memory_axes(blocks),
        },
        feed=reference.step_feed,
        reference=reference.step,
        trials=TRIALS,
        lengths=FRAMES,
    )
