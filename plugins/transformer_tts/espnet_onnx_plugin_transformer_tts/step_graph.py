"""One step of Transformer-TTS's decoder, over the keys and values of the steps before.

Mirrors the loop of `espnet2.tts.transformer.transformer.Transformer.inference`.
Shapes: B utterances, U tokens, S cache slots, D width, N heads, K width of a head, L layers and P
units of the prenet, R frames a step, O features a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.layers.cached_attention import frame_bias, key_value_names
from espnet_onnx.layers.cross_memory import memory_names
from espnet_onnx.layers.decoder_block import CachedDecoderBlock
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.norm import Norm

from .input_graph import FrameInput

__all__ = ["DecoderStep"]


class DecoderStep(nn.Module):
    """Prenet, positions, blocks, output layers.

    Args:
        live: a `Transformer`.
        enter: what stands in front of its blocks.
        blocks: of its decoder.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
        output_names: `frames`, `stops`, then keys and values of the new slot, block by block.
    """

    def __init__(self, live: Any, enter: FrameInput, blocks: Sequence[CachedDecoderBlock]) -> None:
        super().__init__()
        decoder = live.decoder
        self.width, self.factor = int(live.odim), int(live.reduction_factor)
        self.enter, self.blocks = enter, nn.ModuleList(blocks)
        self.norm = Norm(decoder.after_norm) if decoder.normalize_before else None
        self.feat_out, self.prob_out = Affine.of(live.feat_out), Affine.of(live.prob_out)
        names = ["position", "tokens_lengths", "past_frame"]
        names += ["kept"] if enter.sizes is not None else []
        names += [*memory_names(len(blocks)), *key_value_names("past_", len(blocks))]
        self.input_names = names
        self.output_names = ["frames", "stops", *key_value_names("", len(blocks))]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One step.

        Args:
            tensors: position (1,), how many slots are filled; tokens_lengths (B,), past_frame
                (B, O), kept (B, L, P); for every block cross-attention keys (B, N, K, U) and
                values (B, N, U, K); for every block cached keys and values (B, N, S, K).

        Returns:
            frames (B, R, O), stops (B, R); for every block keys and values (B, N, 1, K).
        """
        given = dict(zip(self.input_names, tensors, strict=True))
        caches = tensors[-4 * len(self.blocks) :]
        pairs = list(zip(caches[0::2], caches[1::2], strict=True))
        memories, pasts = pairs[: len(self.blocks)], pairs[len(self.blocks) :]
        bias = frame_bias(given["tokens_lengths"], memories[0][0].shape[3])
        x = self.enter(given["past_frame"], given.get("kept"), given["position"])
        slots = torch.arange(pasts[0][0].shape[2], device=x.device)
        seen = (slots < given["position"])[None, None, None].expand(x.shape[0], -1, -1, -1)
        new: list[Tensor] = []
        for block, memory, past in zip(self.blocks, memories, pasts, strict=True):
            x, key, value = block(x, (*memory, bias), (*past, seen))
            new += [key, value]
        x = (x if self.norm is None else self.norm(x))[:, None]
        frames = self.feat_out(x)[:, 0].unflatten(1, (self.factor, self.width))
        return (frames, torch.sigmoid(self.prob_out(x))[:, 0], *new)
