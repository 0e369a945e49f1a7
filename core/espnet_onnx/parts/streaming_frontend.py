"""Features of a recording while it comes in.

Shapes: S samples, T frames, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..roles import Frontend, Transform
from ..types import Array

__all__ = ["StreamingFrontend", "features"]


class StreamingFrontend:
    """`Speech2TextStreaming.apply_frontend` (espnet2/bin/asr_inference_streaming.py).

    The frontend sees windows of samples that overlap, and the frames at a window's edges, which
    reach beyond it, are left to its neighbours. A normalisation over whole utterances sees a window
    as one, in ESPnet as here. Where the first samples are too few for a window, ESPnet takes the
    window that they begin for a later one and drops its first frames; so does this.

    Args:
        frontend: waveform to features.
        normalize: what follows it.
    """

    def __init__(self, frontend: Frontend, normalize: Sequence[Transform]) -> None:
        self._frontend, self._normalize, self._hop = frontend, normalize, frontend.hop_length
        # `shortest` is half a transform and one more; a frontend may say that its window is less.
        transform = 2 * (frontend.shortest - 1)
        self._window = int(getattr(frontend, "win_length", None) or transform)
        self._shortest = max(self._window, frontend.shortest)
        self._edge = math.ceil(math.ceil(self._window / self._hop) / 2)
        self._samples = np.zeros(0, np.float32)
        self._begun = False

    def push(self, samples: Array, *, last: bool) -> Array | None:
        """(S,) more samples -> (1, T, D), the frames that they complete; None while too few."""
        samples = np.concatenate((self._samples, samples.astype(np.float32)))
        begin, self._begun = self._edge if self._begun else 0, True
        kept = (2 * self._edge - 1) * self._hop
        frames, rest = divmod(len(samples), self._hop)
        least = max(kept, self._frontend.shortest)
        if not last and (len(samples) <= self._window or frames * self._hop < least):
            self._samples = samples
            return None
        if last:
            samples = np.pad(samples, (0, max(0, self._shortest - len(samples))))
            return features(self._frontend, self._normalize, samples)[:, begin:]
        feats = features(self._frontend, self._normalize, samples[: frames * self._hop])
        self._samples = samples[len(samples) - kept - rest :]
        return feats[:, begin : feats.shape[1] - self._edge]


def features(frontend: Frontend, normalize: Sequence[Transform], samples: Array) -> Array:
    """(S,) of a window -> (1, T, D); what normalises whole utterances takes it for one."""
    feats, lengths = frontend(samples[None], np.array([len(samples)], np.int64))
    for transform in normalize:
        feats, lengths = transform(feats, lengths)
    return feats[:, : lengths[0]]
