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
    Affine,
    CachedSelfAttention,
    SharedCrossAttention,
    frame_bias,
    own_slots,
)
from espnet_onnx.layers.cross_memory import memory_axes, memory_graph, memory_names
from espnet_onnx.layers.decoder_block import FeedForward, Residual
from espnet_onnx.layers.positions import Sinusoids

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
        self.embed, positions = decoder.embed[0], decoder.embed[-1]
        self.blocks = nn.ModuleList(blocks)
        self.after_norm = decoder.after_norm if decoder.normalize_before else nn.Identity()
        self.output_layer = Affine(decoder.output_layer)
        self.sinusoids = Sinusoids(self.embed.embedding_dim)
        # ScaledPositionalEncoding scales the positions, PositionalEncoding the embedding.
        self.alpha = getattr(positions, "alpha", None)
        self.embed_scale = 1.0 if self.alpha is not None else positions.xscale
        names = ["tokens", "ancestors", *LENGTHS.values()]
        prefixes = ("speech", "memory", "past")
        self.input_names = names + [n for p in prefixes for n in source_names(p, len(blocks))]

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
        x = self._embed(tokens, ancestors.shape[2]).flatten(0, 1)
        new: list[Tensor] = []
        for block, s, m, p in zip(self.blocks, speech, memory, past, strict=True):
            x, key, value = block(x, (*s, heard), (*m, read), (*p, seen))
            new += [key, value]
        scores = self.output_layer(self.after_norm(x))
        return (torch.log_softmax(scores, -1).view(*tokens.shape, -1), *new)

    def _embed(self, tokens: Tensor, position: int | torch.SymInt) -> Tensor:
        """`PositionalEncoding.forward` at one position: (B, H) -> (B, H, D)."""
        encoding = torch.stack(self.sinusoids(torch.full((1,), position)), -1).flatten()
        if self.alpha is not None:
            encoding = self.alpha * encoding
        embedded: Tensor = self.embed(tokens) * self.embed_scale + encoding
        return embedded


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
    new, past = source_names("new", count), source_names("past", count)
    speech = dict(zip(source_names("speech", count), memory_axes(count).values(), strict=True))
    return eo.Graph(
        module,
        outputs=["log_probs", *new],
        axes={
            "tokens": ("batch", "beams"),
            "ancestors": ("batch", "beams", "past"),
            "prefix": ("batch", "beams", None),
            "speech": ("batch", "speech_frames", None),
            "speech_lengths": ("batch",),
            "memory": ("batch", "states", None),
            "memory_lengths": ("batch",),
            **{name: _renamed(axes, "speech_frames") for name, axes in speech.items()},
            **{name: _renamed(axes, "states") for name, axes in memory_axes(count).items()},
            **dict.fromkeys(past, ("batch", None, "slots", None)),
            "log_probs": ("batch", "beams", None),
            **dict.fromkeys(new, ("batch", None, "beams", None)),
        },
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
        lengths=LENGTHS,
    )


def source_names(prefix: str, blocks: int) -> list[str]:
    """What the keys and values of a source are called: `memory_names` with another prefix."""
    return [name.replace("memory", prefix, 1) for name in memory_names(blocks)]


def _renamed(axes: Sequence[str | None], frames: str) -> tuple[str | None, ...]:
    return tuple(frames if axis == "encoder_frames" else axis for axis in axes)
