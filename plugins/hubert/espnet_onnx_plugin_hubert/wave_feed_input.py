"""What graphs over waveforms are tried with. Shapes: B utterances, S samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from espnet_onnx.types import Feed

__all__ = ["random_waves", "wave_trials"]


def random_waves(lengths: Sequence[int]) -> Feed:
    """`speech` (B, S) float32, as loud behind an utterance's end, and `speech_lengths` (B,)."""
    rng = np.random.default_rng([len(lengths), *lengths])
    noise = rng.normal(0.02, 0.1, (len(lengths), max(lengths))).astype(np.float32)
    return {"speech": noise, "speech_lengths": np.array(lengths, np.int64)}


def wave_trials(shortest: int, rate: int) -> list[list[int]]:
    """The shortest, odd lengths in a ragged batch, and five seconds, at `rate` in Hz."""
    return [[shortest], [3 * shortest + 1, rate | 1, shortest], [5 * rate]]
