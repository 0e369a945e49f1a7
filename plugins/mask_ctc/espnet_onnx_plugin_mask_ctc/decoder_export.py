"""The two graphs of a masked decoder (needs torch).

Shapes: B utterances, T frames, U tokens, D width, N heads, K width of a head, V tokens of the
vocabulary, the mask included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

import espnet_onnx as eo
from espnet_onnx.layers.cached_attention import frame_bias
from espnet_onnx.layers.cross_memory import FRAMES, memory_graph, memory_names
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.layers.norm import Norm
from espnet_onnx.layers.open_decoder_block import OpenDecoderBlock
from espnet_onnx.layers.positions import AbsolutePositions

from .decoder_reference import DecoderReference

__all__ = ["Predict", "decoder_graphs"]

TRIALS = ((9, 3, 5), (4,), (1,), (27, 14))


class Predict(nn.Module):
    """`MLMDecoder.forward` behind its cross-attention's keys and values.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
    """

    def __init__(self, live: Any, blocks: Sequence[OpenDecoderBlock]) -> None:
        super().__init__()
        self.table = live.embed[0].weight
        width = int(self.table.shape[1])
        self.positions = AbsolutePositions(width, getattr(live.embed[-1], "alpha", None))
        self.blocks = nn.ModuleList(blocks)
        self.norm = Norm(live.after_norm) if live.normalize_before else None
        self.out = Affine.of(live.output_layer)
        names = ["tokens", "tokens_lengths", "encoder_out_lengths"]
        self.input_names = [*names, *memory_names(len(blocks))]

    def forward(self, *tensors: Tensor) -> Tensor:
        """Scores of every token at every place.

        Args:
            tensors: tokens (B, U), tokens_lengths (B,), encoder_out_lengths (B,); for every block
                cross-attention keys (B, N, K, T) and values (B, N, T, K).

        Returns:
            (B, U, V), before the softmax: places are chosen by these, as ESPnet does.
        """
        tokens, lengths, frames, *memories = tensors
        mask = frame_mask(lengths, tokens.shape[1])
        bias = frame_bias(frames, memories[0].shape[3])
        x, _ = self.positions(F.embedding(tokens, self.table), mask)
        for block, *memory in zip(self.blocks, memories[0::2], memories[1::2], strict=True):
            x = block(x, mask.bias, (*memory, bias))
        return self.out(x if self.norm is None else self.norm(x))


def decoder_graphs(component: eo.Component) -> Mapping[str, eo.Graph]:
    """The graphs `memory` and `predict` of a live `MLMDecoder`."""
    live = component.module
    blocks = [OpenDecoderBlock(layer) for layer in live.decoders]
    attentions = [layer.src_attn for layer in live.decoders]
    memory = memory_graph([block.src_attn for block in blocks], attentions, TRIALS)
    reference = DecoderReference(live, memory)
    axes = {
        **memory.axes,
        "tokens": ("batch", "places"),
        "tokens_lengths": ("batch",),
        "scores": ("batch", "places", None),
    }
    predict = eo.Graph(
        Predict(live, blocks).eval(),
        outputs=["scores"],
        axes=axes,
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
        lengths={**FRAMES, "places": "tokens_lengths"},
    )
    return {"memory": memory, "predict": predict}
