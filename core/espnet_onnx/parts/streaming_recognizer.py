"""Recognises a recording while it comes in, however long it goes on.

Shapes: S samples, C channels.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from ..errors import AudioError, InputError
from ..types import Array
from .audio import Audio, check_samples, from_array
from .endpoints import Endpoints
from .joining import Joiner
from .long_audio import whole
from .pieces import Piece
from .result import Recognition, Segment
from .streaming_settings import Streaming
from .streaming_utterance import Partial, Stages, Utterance

__all__ = ["Stream"]


class Stream:
    """A recording that comes in chunk by chunk: `push`, and at its end `finish`.

    Up to `Streaming.segment` seconds it is decoded exactly as ESPnet's `Speech2TextStreaming`
    decodes it. What goes on longer becomes segments, each decoded as such an utterance; of those
    that have ended only the results are kept.

    Attributes:
        sample_rate: of the model, in Hz.
        notes: what the user should know.
        utterance: the current segment.
    """

    def __init__(
        self,
        stages: Stages,
        decoding: Any,
        streaming: Streaming,
        sample_rate: int | None = None,
    ) -> None:
        """Begin.

        Args:
            stages: of the model.
            decoding: options of the search, `Decoding` or what the searcher reads.
            streaming: options of streaming.
            sample_rate: of what is pushed, in Hz; None where it is the model's.

        Raises:
            InputError: a setting that does not fit the model.
        """
        self._stages, self._decoding, self._streaming = stages, decoding, streaming
        self.sample_rate = rate = stages.frontend.sample_rate
        self.notes: list[str] = []
        self._resampler: Any = None
        if sample_rate not in (None, rate):
            self._resampler = _resampler(sample_rate, rate)
            self.notes.append(f"resampled from {sample_rate} Hz to {rate} Hz")
        self._endpoints = Endpoints(rate, streaming)
        self._joiner = Joiner(stages.tokenizer, rate)
        self._segments: list[Segment] = []
        self._only: Recognition | None = None
        self._begin = 0  # of the current segment, in samples
        self._over = False
        self.utterance = Utterance(stages, decoding, streaming)

    @property
    def duration(self) -> float:
        """Seconds of audio so far."""
        return (self._begin + self.utterance.samples) / self.sample_rate

    def push(self, samples: Any) -> Partial:
        """Take more samples, any number of them; what is known now.

        Args:
            samples: (S,) or (S, C), floats in [-1, 1] or integers.

        Raises:
            AudioError: they are not finite, or not of a recording's shape or type.
            InputError: the stream is finished.
        """
        self._check_open()
        known = len(self._segments)
        for part, ends in self._endpoints.split(self._read(samples)):
            if ends or len(part):
                self.utterance.push(part, last=ends)
            if ends:
                self._keep()
        ended = tuple(self._segments[known:])
        if not self._streaming.keep_segments:
            self._segments.clear()
        return attrs.evolve(self.utterance.partial(), segments=ended)

    def finish(self, samples: Any = ()) -> Recognition:
        """The result of the stream, which is then over; without `keep_segments`, of what is left.

        Args:
            samples: the last ones; as in `push`.

        Raises:
            AudioError: the stream is too short for the model; or as in `push`.
            InputError: it was finished before.
        """
        self._check_open()
        rest = self._read(samples)
        if self._resampler is not None:
            end = self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            rest = np.concatenate((rest, end))
        for part, ends in self._endpoints.split(rest):
            if ends:
                self.utterance.push(part, last=True)
                self._keep()
            else:
                self._end(part)
        self._over = True
        return self._only if self._only is not None else whole(self, self._segments)

    def _check_open(self) -> None:
        if self._over:
            raise InputError("the stream is finished: begin another with stream()")

    def _end(self, samples: Array) -> None:
        """End the last segment, which may be too short to say anything."""
        later = self._begin > 0
        if later and not self.utterance.samples + len(samples):
            return
        try:
            self.utterance.push(samples, last=True)
        except AudioError:
            if not later:
                raise
            self.notes.append("the last moments are too short for the model")
        else:
            self._keep()

    def _keep(self) -> None:
        """Keep the result of a segment that has ended, and begin the next."""
        ended = self.utterance
        self.utterance = Utterance(self._stages, self._decoding, self._streaming)
        # Their number counts, the samples themselves are gone.
        samples = np.broadcast_to(np.float32(0), ended.samples)
        result = ended.recognition(Audio(samples, self.sample_rate, tuple(self.notes), "stream"))
        self._only = None if self._begin else result
        self._joiner.add(Piece(self._begin, samples), result)
        self._segments += self._joiner.finish()
        self._begin += ended.samples

    def _read(self, samples: Any) -> Array:
        """(S,) float32 at the model's rate."""
        array, notes = from_array(np.asarray(samples), "stream")
        if array.size == 0:
            return np.zeros(0, np.float32)
        check_samples(array, "stream")
        if array.shape[1] > 1:
            notes.append(f"mixed {array.shape[1]} channels to mono")
        self.notes += [note for note in notes if note not in self.notes]
        mono: Array = array.mean(axis=1, dtype=np.float32)
        if self._resampler is None:
            return mono
        resampled: Array = self._resampler.resample_chunk(mono)
        return resampled


def _resampler(given: Any, rate: int) -> Any:
    import soxr

    if not isinstance(given, int) or given < 1:
        raise InputError(f"a sample rate of {given} Hz is impossible: give the true rate")
    return soxr.ResampleStream(given, rate, 1, dtype="float32")
