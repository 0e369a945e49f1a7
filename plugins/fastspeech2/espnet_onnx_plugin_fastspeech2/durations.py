"""How long each token lasts, and which token every frame belongs to.

Shapes: B utterances, U tokens, T frames.
"""

from __future__ import annotations

import numpy as np

from espnet_onnx.types import Array

__all__ = ["ended", "frames_of", "given_frames", "rounded", "spread"]


def ended(tokens: Array, lengths: Array, eos: int) -> tuple[Array, Array]:
    """(B, U) and (B,) -> (B, U+1) with <sos/eos> behind every utterance, and (B,)."""
    tokens = np.pad(tokens.astype(np.int64), ((0, 0), (0, 1)))
    tokens[np.arange(len(tokens)), lengths] = eos
    return tokens, lengths.astype(np.int64) + 1


def rounded(durations: Array) -> Array:
    """`DurationPredictor.inference` behind its exp: (B, U) float -> (B, U) int64 from 0 on."""
    return np.maximum(np.rint(durations), 0).astype(np.int64)


def frames_of(durations: Array, lengths: Array, alpha: float) -> Array:
    """`LengthRegulator`: durations scaled and rounded; all 1 where a whole utterance has none.

    Args:
        durations: (B, U) int64.
        lengths: (B,) tokens.
        alpha: longer where it is above 1.
    """
    if alpha != 1.0:
        scaled = durations.astype(np.float32) * np.float32(alpha)
        durations = np.rint(scaled).astype(np.int64)
    real = np.arange(durations.shape[1]) < lengths[:, None]
    durations = durations * real
    silent = durations.sum(1, keepdims=True) == 0
    frames: Array = np.where(silent, real, durations).astype(np.int64)
    return frames


def given_frames(durations: Array, factor: int) -> Array:
    """(B, U) features of each token -> (B, U) decoder frames, each of `factor` features.

    Ends are rounded up to whole frames rather than durations, so that later tokens stay in time.
    """
    ends = -(-np.cumsum(durations, 1) // factor)
    frames: Array = np.diff(ends, prepend=0)
    return frames


def spread(frames: Array) -> tuple[Array, Array]:
    """(B, U) frames of each token -> (B, T) token of each frame, 0 behind, and (B,) frames."""
    lengths = frames.sum(1)
    index = np.zeros((len(frames), int(lengths.max())), np.int64)
    for row, counts, length in zip(index, frames, lengths, strict=True):
        row[:length] = np.repeat(np.arange(frames.shape[1]), counts)
    return index, lengths
