"""The graph of what decoding reads of an utterance: cross-attention keys and values, once.

Shapes: B utterances, T encoder frames, D width, N heads, K width of a head.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..types import Array, Feed, Graph
from .cached_attention import SharedCrossAttention, key_value_names

__all__ = ["FRAMES", "CrossMemory", "memory_axes", "memory_graph", "memory_names"]

FRAMES = {"encoder_frames": "encoder_out_lengths"}


class CrossMemory(nn.Module):
    """Keys and values of several cross-attentions."""

    def __init__(self, attentions: Sequence[SharedCrossAttention]) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(attentions)

    def forward(self, encoder_out: Tensor) -> tuple[Tensor, ...]:
        """(B, T, D) -> keys (B, N, K, T) and values (B, N, T, K), attention by attention."""
        pairs = (attention.memory(encoder_out) for attention in self.attentions)  # type: ignore[operator]
        return tuple(itertools.chain.from_iterable(pairs))


class _Reference:
    """Feeds, and what the live attentions' own `forward_qkv` says to them."""

    def __init__(self, live: Sequence[Any]) -> None:
        self._live = live

    def feed(self, lengths: Sequence[int]) -> dict[str, Array]:
        width = self._live[0].linear_k.weight.shape[1]
        shape = (len(lengths), max(lengths), width)
        encoder_out = np.random.default_rng(sum(lengths)).standard_normal(shape, dtype=np.float32)
        return {"encoder_out": encoder_out, "encoder_out_lengths": np.array(lengths, np.int64)}

    def __call__(self, feed: Feed) -> dict[str, Array]:
        x = torch.from_numpy(feed["encoder_out"])
        out: list[Tensor] = []
        for attention in self._live:
            with torch.no_grad():
                _, key, value = attention.forward_qkv(x, x, x)
            out += [key.transpose(-1, -2), value]
        arrays = (tensor.numpy() for tensor in out)
        return dict(zip(memory_names(len(self._live)), arrays, strict=True))


def memory_graph(
    attentions: Sequence[SharedCrossAttention],
    live: Sequence[Any],
    trials: Sequence[Sequence[int]],
) -> Graph:
    """The graph over `encoder_out` that a decoder runs once an utterance.

    Its `feed` and `reference` also serve the graph of a step, which reads their arrays.

    Args:
        attentions: of every block that has one, in order.
        live: the ESPnet modules behind them: `forward_qkv` and `linear_k`.
        trials: encoder lengths to try.
    """
    reference = _Reference(live)
    return Graph(
        CrossMemory(attentions).eval(),
        outputs=memory_names(len(live)),
        axes={
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
            **memory_axes(len(live)),
        },
        feed=reference.feed,
        reference=reference,
        trials=trials,
        lengths=FRAMES,
    )


def memory_names(attentions: int, source: str = "memory") -> list[str]:
    """What the graph's outputs, and a step's inputs, are called.

    Args:
        attentions: how many there are.
        source: another name, for a step that reads more than one such graph.
    """
    return key_value_names(f"{source}_", attentions)


def memory_axes(
    attentions: int, source: str = "memory", frames: str = "encoder_frames"
) -> Mapping[str, Sequence[str | None]]:
    """Their axes; `frames` is what T is called."""
    key, value = ("batch", None, None, frames), ("batch", None, frames, None)
    return dict(zip(memory_names(attentions, source), itertools.cycle([key, value])))
