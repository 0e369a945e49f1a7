"""The blocks of the standalone task's encoder, over whole utterances and over chunks (needs torch).

Shapes: B utterances, T frames, L frames of left context, C channels, D width.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.layers.positions import Sinusoids

from .standalone_attention_graph import sinusoidal, table
from .standalone_blocks_graph import block
from .standalone_conv_graph import BlockConv
from .standalone_memory_graph import Memory

__all__ = ["KEYS", "EncoderBody"]

KEYS = "keys"


class EncoderBody(nn.Module):
    """`MultiBlocks` behind the input layer: `forward` and, with what blocks remember,
    `chunk_forward`. A whole utterance is a chunk behind which nothing lies.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
        states: names of what blocks remember: `keys_3` (B, L, 2D), keys and values of block 3;
            `conv_3` and `merge_3` (B, K-1, C), what its causal convolutions see. `past_` stands
            before them in inputs. Empty where a block shortens its input: then nothing streams.
        attending: numbers of the blocks that attend, and whether their positions are a table.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.sinusoids = Sinusoids(live.pos_enc.size)
        self.blocks = nn.ModuleList()
        self.attending: dict[int, bool] = {}
        names: list[str] = []
        behind = False
        for number, one in enumerate(live.encoders.blocks):
            names += [f"{kind}_{number}" for kind in _remembered(one)]
            if hasattr(one, "out_pos"):
                behind = True
                self.blocks.append(BlockConv(one))
                continue
            from_table = behind or not hasattr(one.self_att, "pos_bias_u")
            self.attending[number] = from_table
            self.blocks.append(block(one, from_table=from_table))
        self.norm = copy.copy(live.encoders.norm_blocks)
        shortens = any(isinstance(b, BlockConv) and b.shortens for b in self.blocks)
        self.states: list[str] = [] if shortens else names
        self.seen = ["seen"] if self.attending and self.states else []
        past = [f"past_{name}" for name in self.states]
        self.input_names = ["frames", "frames_lengths", *self.seen, *past]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Frames (B, T, D), lengths (B,), seen (B,) and states -> (B, T', D'), (B,), states."""
        x, lengths, *rest = tensors
        memory = self.memory(lengths, rest)
        mask = memory.mask(lengths, x.shape[1])
        sines = self.sines(x, memory)
        distances = sinusoidal(*sines, x.shape[1])
        for number, one in enumerate(self.blocks):
            if not isinstance(one, BlockConv):
                x = one(x, mask, table(distances) if self.attending[number] else sines, memory)
                continue
            before = lengths
            x, lengths = one(x, before, memory)
            if one.shortens:
                mask = memory.mask(lengths, x.shape[1])
            if number < max(self.attending, default=0):
                distances = one.moved(distances, before, x.shape[1])
        return (self.norm(x), lengths.clone(), *memory.kept)

    def memory(self, lengths: Tensor, given: Sequence[Tensor]) -> Memory:
        """Of the lengths and the inputs behind them."""
        if not self.states:
            return Memory(lengths)
        past = given[len(self.seen) :]
        if not self.seen:
            return Memory(lengths, past)
        first = next(i for i, name in enumerate(self.states) if name.startswith(KEYS))
        return Memory(lengths, past, given[0], past[first].shape[1])

    def attention(self, number: int) -> Any:
        """The self-attention of a block that attends."""
        one = self.blocks[number]
        return getattr(one, "branches", one).attention

    def sines(self, x: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """sin and cos (1, L+T+1, D/2) of the distances 0..L+T in (B, T, D)."""
        longest = x.shape[1] + memory.frames
        sin, cos = self.sinusoids(torch.arange(longest + 1, device=x.device))
        return sin[None], cos[None]


def _remembered(live: Any) -> list[str]:
    """In the order of the block's `cache`, which is that in which it asks for them."""
    if hasattr(live, "out_pos"):
        return ["conv"] if live.lorder else []
    found = [KEYS]
    if live.conv_mod.lorder:
        found.append("conv")
    merge = getattr(live, "depthwise_conv_mod", None)
    return [*found, "merge"] if merge is not None and merge.lorder else found
