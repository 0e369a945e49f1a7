"""The graph of a decoder's hidden states over a whole transcript (needs torch).

Shapes: B utterances, U tokens with <sos>, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.layers.open_decoder_block import OpenDecoderBlock
from espnet_onnx.layers.positions import AbsolutePositions
from espnet_onnx.types import Feed

__all__ = ["HiddenStates", "states_graphs"]

TRIALS = ((9, 3, 5), (7,), (1,), (27, 14))
MASKED = -1e9


class HiddenStates(nn.Module):
    """`BaseTransformerDecoder.forward` with `return_hs`, up to the output layer.

    Args:
        decoder: a live `TransformerDecoder`.
    """

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.embed, positions = decoder.embed[0], decoder.embed[-1]
        alpha = getattr(positions, "alpha", None)
        self.positions = AbsolutePositions(self.embed.embedding_dim, alpha)
        self.blocks = nn.ModuleList(OpenDecoderBlock(layer) for layer in decoder.decoders)
        self.after_norm = decoder.after_norm if decoder.normalize_before else nn.Identity()

    def forward(self, encoder_out: Tensor, encoder_out_lengths: Tensor, tokens: Tensor) -> Tensor:
        """(B, T, D), (B,) and (B, U) -> states (B, U, D); one reads only tokens before it."""
        mask = frame_mask(encoder_out_lengths, encoder_out.shape[1])
        size = tokens.shape[1]
        later = torch.ones((size, size), dtype=torch.bool, device=tokens.device).triu(1)
        bias = torch.where(later, MASKED, 0.0)[None, None]
        # Absolute positions look at no mask.
        x, _ = self.positions(self.embed(tokens), mask)
        for block in self.blocks:
            memory = block.src_attn.memory(encoder_out)  # type: ignore[union-attr, operator]
            x = block(x, bias, (*memory, mask.bias))
        states: Tensor = self.after_norm(x)
        return states


def states_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The graph `states` of a live `TransformerDecoder`."""
    reference = _Reference(component.module)
    graph = eo.Graph(
        HiddenStates(component.module).eval(),
        outputs=("states",),
        axes={
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
            "tokens": ("batch", "tokens"),
            "states": ("batch", "tokens", None),
        },
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
        lengths={"encoder_frames": "encoder_out_lengths"},
    )
    return {"states": graph}


class _Reference:
    """Random speech and tokens, and what the untouched decoder says to them."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._vocabulary, self._width = decoder.embed[0].weight.shape

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Encoder output of the given lengths; as many tokens as follow from them."""
        rng = np.random.default_rng(sum(lengths))
        shape = (len(lengths), max(lengths), self._width)
        return {
            "encoder_out": rng.standard_normal(shape, dtype=np.float32),
            "encoder_out_lengths": np.array(lengths, np.int64),
            "tokens": rng.integers(0, self._vocabulary, (len(lengths), sum(lengths) % 7 + 2)),
        }

    def __call__(self, feed: Feed) -> Feed:
        """`TransformerDecoder.forward_one_step` with `return_hs` behind every token, in turn."""
        memory, tokens = torch.from_numpy(feed["encoder_out"]), torch.from_numpy(feed["tokens"])
        states = []
        with torch.no_grad():
            for size in range(1, tokens.shape[1] + 1):
                causal = torch.ones(size, size, dtype=torch.bool).tril()[None]
                (_, hidden), _ = self._decoder.forward_one_step(
                    tokens[:, :size], causal, memory, return_hs=True
                )
                states.append(hidden)
        return {"states": torch.stack(states, 1).numpy()}
