"""Greedy CTC decoding: the best label of every frame.

Shapes: B utterances, T frames, V tokens.
"""

from __future__ import annotations

import numpy as np

from ..types import Array
from .hypothesis import Hypothesis

__all__ = ["ctc_greedy"]


def ctc_greedy(log_probs: Array, lengths: Array, blank: int = 0) -> list[Hypothesis]:
    """Take each frame's best label, merge repeats, drop blanks (ESPnet's `CTC.argmax`, collapsed).

    Args:
        log_probs: (B, T, V) log probabilities.
        lengths: (B,) valid frames.
        blank: id of the blank.

    Returns:
        For each utterance its hypothesis. The score is the log probability of the best path,
        `frames` where each token first appears.
    """
    best = log_probs.argmax(axis=-1)
    peaks = np.take_along_axis(log_probs, best[..., None], axis=-1)[..., 0]
    starts = best != blank
    starts[:, 1:] &= best[:, 1:] != best[:, :-1]
    return [_hypothesis(best[b, :n], peaks[b, :n], starts[b, :n]) for b, n in enumerate(lengths)]


def _hypothesis(labels: Array, log_probs: Array, starts: Array) -> Hypothesis:
    frames = np.flatnonzero(starts)
    score = float(log_probs.sum(dtype=np.float64))
    tokens = tuple(labels[frames].tolist())
    return Hypothesis(tokens, score, {"ctc": score}, tuple(frames.tolist()))
