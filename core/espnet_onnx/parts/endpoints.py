"""Where a stream that goes on and on is cut into utterances.

Shapes: S samples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..types import Array
from .streaming_settings import Streaming
from .voice_activity import Energy, Rules

__all__ = ["Endpoints"]


class Endpoints:
    """Ends an utterance in the first pause after `Streaming.segment` seconds, and without a pause
    after `Streaming.longest_segment`.

    Where it is cut depends on the samples alone, not on the chunks in which they come.

    Args:
        sample_rate: of the stream, in Hz.
        streaming: the options.
    """

    def __init__(self, sample_rate: int, streaming: Streaming) -> None:
        self._detector = Energy(sample_rate)
        self._wanted = round(streaming.segment * sample_rate)
        self._longest = round(streaming.longest_segment * sample_rate)
        self._pause = round(streaming.pause * sample_rate)
        self._rest = np.zeros(0, np.float32)  # less than a frame, not looked at yet
        self._length = self._quiet = 0  # samples of the utterance, and of its pause

    def split(self, samples: Array) -> Iterator[tuple[Array, bool]]:
        """(S,) more samples -> the utterances' parts in them, and which of those end one."""
        begin = 0
        for end in self._ends(samples):
            yield samples[begin:end], True
            begin = end
        yield samples[begin:], False

    def _ends(self, samples: Array) -> list[int]:
        """Places in `samples` at which an utterance ends."""
        size, place = self._detector.frame, -len(self._rest)
        known = np.concatenate((self._rest, samples))
        count = len(known) // size
        begin, ends = -self._length, []
        for frame in known[: count * size].reshape(-1, 1, size):
            place += size
            # One at a time: what the detector has learned must not depend on the chunk.
            quiet = self._detector(frame)[0] < Rules().leave
            self._quiet = self._quiet + size if quiet else 0
            length = place - begin
            if length >= self._longest or (length >= self._wanted and self._quiet >= self._pause):
                ends.append(place)
                begin = place
        self._rest = known[count * size :]
        self._length = len(samples) - begin
        return ends
