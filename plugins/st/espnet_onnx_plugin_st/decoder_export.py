"""The graphs of a Transformer decoder with speech attention (needs torch).

Shapes: B utterances, H hypotheses an utterance, R = B * H rows, U tokens decoded so far, S cache
slots, T frames of speech, M states of the transcript, D width, N heads, K width of a head,
V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.cached_attention import (
    CachedSelfAttention,
    SharedCrossAttention,
    frame_bias,
    key_value_names,
    own_slots,
)
from espnet_onnx.layers.cached_step import StepEmbedding, StepOutput, step_axes
from espnet_onnx.layers.cross_memory import memory_axes, memory_graph
from espnet_onnx.layers.decoder_block import FeedForward, Residual

from .decoder_reference import StepReference

__all__ = ["TwoSourceBlock", "TwoSourceStep", "decoder_graphs"]

TRIALS = ((9, 3, 5), (5,), (1,), (27, 14))
LENGTHS = {"speech_frames": "speech_lengths", "states": "memory_lengths"}

Source = tuple[Tensor, Tensor, Tensor]


class TwoSourceBlock(nn.Module):
    """ESPnet's `DecoderLayer.forward` with `sequential_attn`, and a cache of keys and values.

    Args:
        layer: a live `DecoderLayer`.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        before, concat = layer.normalize_before, layer.concat_after
        self.self_attn = CachedSelfAttention(layer.self_attn)
        self.speech_attn = SharedCrossAttention(layer.sequential_attn)
        self.src_attn = SharedCrossAttention(layer.src_attn)
        self.feed_forward = FeedForward(layer.feed_forward)
        self.first = Residual(layer.norm1, before, layer.concat_linear1 if concat else None)
        self.second = Residual(layer.norm4, before, layer.concat_linear3 if concat else None)
        self.third = Residual(layer.norm2, before, layer.concat_linear2 if concat else None)
        self.fourth = Residual(layer.norm3, before)

    def forward(
        self, x: Tensor, speech: Source, memory: Source, past: Source
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step.

        Args:
            x: (R, D).
            speech: keys (B, N, K, T) and values (B, N, T, K), and the bias of padded frames.
            memory: the same of the states, M for T.
            past: keys and values (B, N, S, K), and the slots that each hypothesis sees.

        Returns:
            (R, D), and the new slots' keys and values, (B, N, H, K) each.
        """
        entered = self.first.enter(x)
        y, key, value = self.self_attn(entered, *past)
        x = self.first.leave(x, entered, y)
        entered = self.second.enter(x)
        x = self.second.leave(x, entered, self.speech_attn(entered, *speech))
        entered = self.third.enter(x)
        x = self.third.leave(x, entered, self.src_attn(entered, *memory))
        entered = self.fourth.enter(x)
        return self.fourth.leave(x, entered, self.feed_forward(entered)), key, value


class TwoSourceStep(nn.Module):
    """`TransformerMDDecoder.forward_one_step` for the last token of every hypothesis.

    Args:
        decoder: a live `TransformerMDDecoder`.
        blocks: its blocks.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
    """

    def __init__(self, decoder: Any, blocks: Sequence[TwoSourceBlock]) -> None:
        super().__init__()
        self.embed = StepEmbedding(decoder.embed)
        self.blocks = nn.ModuleList(blocks)
        norm = decoder.after_norm if decoder.normalize_before else None
        self.output = StepOutput(norm, decoder.output_layer)
        names = ["tokens", "ancestors", *LENGTHS.values()]
        prefixes = ("speech_", "memory_", "past_")
        self.input_names = names + [n for p in prefixes for n in key_value_names(p, len(blocks))]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One step.

        Args:
            tensors: tokens (B, H), ancestors (B, H, U), speech_lengths (B,), memory_lengths (B,);
                for every block keys (B, N, K, T) and values (B, N, T, K) of speech; the same of
                memory; for every block cached keys and values (B, N, S, K).

        Returns:
            log_probs (B, H, V); for every block keys and values (B, N, H, K) of new slots.
        """
        tokens, ancestors, speech_lengths, memory_lengths, *caches = tensors
        pairs = list(zip(caches[0::2], caches[1::2], strict=True))
        count = len(self.blocks)
        speech, memory, past = pairs[:count], pairs[count : 2 * count], pairs[2 * count :]
        heard = frame_bias(speech_lengths, speech[0][0].shape[3])
        read = frame_bias(memory_lengths, memory[0][0].shape[3])
        seen = own_slots(ancestors, past[0][0].shape[2])
        x = self.embed(tokens, torch.full((1,), ancestors.shape[2]))
        new: list[Tensor] = []
        for block, s, m, p in zip(self.blocks, speech, memory, past, strict=True):
            x, key, value = block(x, (*s, heard), (*m, read), (*p, seen))
            new += [key, value]
        return (self.output(x, tokens.shape), *new)


def decoder_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The graphs `speech`, `memory` and `step` of a live `TransformerMDDecoder`."""
    decoder = component.module
    layers = decoder.decoders
    blocks = [TwoSourceBlock(layer) for layer in layers]
    speech = memory_graph(
        [block.speech_attn for block in blocks],
        [layer.sequential_attn for layer in layers],
        TRIALS,
    )
    memory = memory_graph(
        [block.src_attn for block in blocks], [layer.src_attn for layer in layers], TRIALS
    )
    reference = StepReference(decoder, speech, memory)
    step = _step_graph(TwoSourceStep(decoder, blocks).eval(), reference)
    return {"speech": speech, "memory": memory, "step": step}


def _step_graph(module: TwoSourceStep, reference: StepReference) -> eo.Graph:
    count = len(module.blocks)
    return eo.Graph(
        module,
        outputs=["log_probs", *key_value_names("new_", count)],
        axes={
            **step_axes(count, "new_"),
            "speech": ("batch", "speech_frames", None),
            "speech_lengths": ("batch",),
            "memory": ("batch", "states", None),
            "memory_lengths": ("batch",),
            **memory_axes(count, "speech", "speech_frames"),
            **memory_axes(count, "memory", "states"),
        },
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
        lengths=LENGTHS,
    )
