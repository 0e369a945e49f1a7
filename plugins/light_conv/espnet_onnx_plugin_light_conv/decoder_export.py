"""The two graphs of a convolutional decoder (needs torch).

Shapes: B utterances, H hypotheses an utterance, R = B * H rows, U tokens so far with <sos>,
T encoder frames, D width, N heads, K width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.cached_attention import SharedCrossAttention, frame_bias
from espnet_onnx.layers.cached_step import StepEmbedding, StepOutput
from espnet_onnx.layers.cross_memory import FRAMES, memory_axes, memory_graph, memory_names
from espnet_onnx.layers.decoder_block import FeedForward, Residual

from .convolution_export import OneTokenConvolution
from .decoder_reference import StepReference

__all__ = ["LightConvBlock", "LightConvStep", "decoder_graphs"]

TRIALS = ((9, 3, 5), (5,), (1,), (27, 14))


class LightConvBlock(nn.Module):
    """ESPnet's `DecoderLayer.forward` with a cache, its self-attention a convolution.

    Args:
        layer: a live `DecoderLayer`.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        before, concat = layer.normalize_before, layer.concat_after
        self.convolution = OneTokenConvolution(layer.self_attn)
        self.src_attn = SharedCrossAttention(layer.src_attn)
        self.feed_forward = FeedForward(layer.feed_forward)
        self.first = Residual(layer.norm1, before, layer.concat_linear1 if concat else None)
        self.second = Residual(layer.norm2, before, layer.concat_linear2 if concat else None)
        self.third = Residual(layer.norm3, before)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """One step.

        Args:
            x: (R, D).
            key: (B, N, K, T).
            value: (B, N, T, K).
            bias: (B, 1, 1, T), very negative on padded frames.

        Returns:
            (R, D).
        """
        entered = self.first.enter(x)
        x = self.first.leave(x, entered, self.convolution(entered))
        entered = self.second.enter(x)
        x = self.second.leave(x, entered, self.src_attn(entered, key, value, bias))
        entered = self.third.enter(x)
        return self.third.leave(x, entered, self.feed_forward(entered))


class LightConvStep(nn.Module):
    """`BaseTransformerDecoder.forward_one_step` for the last token of every hypothesis.

    Args:
        decoder: a live decoder.
        blocks: its blocks.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
    """

    def __init__(self, decoder: Any, blocks: Sequence[LightConvBlock]) -> None:
        super().__init__()
        self.embed = StepEmbedding(decoder.embed)
        self.blocks = nn.ModuleList(blocks)
        norm = decoder.after_norm if decoder.normalize_before else None
        self.output = StepOutput(norm, decoder.output_layer)
        names = ["tokens", "positions", "encoder_out_lengths"]
        self.input_names = [*names, *memory_names(len(blocks))]

    def forward(self, *tensors: Tensor) -> Tensor:
        """One step.

        Args:
            tensors: tokens (B, H), their positions (B,), encoder_out_lengths (B,); for every
                block cross-attention keys (B, N, K, T) and values (B, N, T, K).

        Returns:
            log_probs (B, H, V).
        """
        tokens, positions, lengths, *memory = tensors
        keys, values = memory[0::2], memory[1::2]
        bias = frame_bias(lengths, keys[0].shape[3])
        x = self.embed(tokens, positions[:, None, None])
        for block, key, value in zip(self.blocks, keys, values, strict=True):
            x = block(x, key, value, bias)
        return self.output(x, tokens.shape)


def decoder_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The graphs `memory` and `step` of a live decoder."""
    decoder = component.module
    blocks = [LightConvBlock(layer) for layer in decoder.decoders]
    live = [layer.src_attn for layer in decoder.decoders]
    memory = memory_graph([block.src_attn for block in blocks], live, TRIALS)
    step = LightConvStep(decoder, blocks).eval()
    return {"memory": memory, "step": _step_graph(step, StepReference(decoder, memory))}


def _step_graph(module: LightConvStep, reference: StepReference) -> eo.Graph:
    return eo.Graph(
        module,
        outputs=["log_probs"],
        axes={
            "tokens": ("batch", "beams"),
            "positions": ("batch",),
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
            "prefix": ("batch", "beams", None),
            **memory_axes(len(module.blocks)),
            "log_probs": ("batch", "beams", None),
        },
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
        lengths=FRAMES,
    )
