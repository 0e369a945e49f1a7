"""Two sources in one array, for a search that hands a scorer rows of one encoder output.

Shapes: B utterances, T frames of speech, U states of the transcript, D width of both.
"""

from __future__ import annotations

import numpy as np

from espnet_onnx.types import Array

__all__ = ["pack", "speech_of", "unpack"]


def pack(speech: Array, memory: Array, memory_lengths: Array) -> Array:
    """Put speech, memory and a mark of memory's valid states side by side.

    Args:
        speech: (B, T, D).
        memory: (B, U, D).
        memory_lengths: (B,).

    Returns:
        (B, max(T, U), 2 D + 1); the lengths of speech still hold.
    """
    batch, frames, width = speech.shape
    states = memory.shape[1]
    packed = np.zeros((batch, max(frames, states), 2 * width + 1), speech.dtype)
    packed[:, :frames, :width] = speech
    packed[:, :states, width:-1] = memory
    packed[:, :states, -1] = np.arange(states) < memory_lengths[:, None]
    return packed


def speech_of(packed: Array) -> Array:
    """The speech (B, T', D) of a pack; T' is T or more."""
    return np.ascontiguousarray(packed[..., : packed.shape[-1] // 2])


def unpack(packed: Array) -> tuple[Array, Array, Array]:
    """Speech (B, T', D), memory (B, U, D) and memory's lengths (B,)."""
    width = packed.shape[-1] // 2
    lengths = packed[..., -1].sum(1).astype(np.int64)
    memory = np.ascontiguousarray(packed[:, : lengths.max(), width:-1])
    return speech_of(packed), memory, lengths
