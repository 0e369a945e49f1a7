"""Recordings of any length: read in blocks, cut into pieces, recognised in batches, joined.

Shapes: S samples.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import attrs
import numpy as np

from ..errors import InputError
from ..types import Array
from .audio_blocks import Recording, open_recording, seconds_of
from .cutting import Cutting
from .joining import Joiner
from .pieces import Cutter, Piece
from .result import Recognition, Segment, join_texts
from .tokenizer import Tokenizer

__all__ = [
    "Cutting",
    "Segments",
    "Told",
    "is_cut",
    "segments",
    "split_options",
    "transcribe",
    "whole",
]

T = TypeVar("T")

# Seconds; shorter pieces are followed by zeros, for models that need so much.
_SHORTEST = 0.5


class Recogniser(Protocol):
    """What takes pieces; `parts.recognizer.Recognizer` for one.

    One whose pieces cannot be joined says why in an attribute `whole_only`; it is given long
    recordings as a whole, unless pieces are asked for.
    """

    tokenizer: Tokenizer

    @property
    def sample_rate(self) -> int | None:
        """What pieces must have, in Hz."""

    def batch(
        self,
        audios: Sequence[Any],
        *,
        batch_size: int = 16,
        sample_rate: int | None = None,
        **decoding: Any,
    ) -> list[Recognition]:
        """Recognise recordings, each as if alone."""


class Told(Protocol):
    """What tells of a whole recording.

    Attributes:
        notes: what the user should know.
    """

    notes: list[str]

    @property
    def duration(self) -> float | None:
        """Seconds of the recording."""


class Segments(Iterator[Segment]):
    """The segments of a recording, each as soon as it is known.

    At most a batch of pieces is in memory, never the recording.

    Attributes:
        duration: seconds of the recording, as its file states.
        notes: what the user should know; complete when all segments are there.
    """

    def __init__(
        self,
        asr: Recogniser,
        recording: Recording,
        cutter: Cutter,
        batch_size: int,
        decoding: dict[str, Any],
    ) -> None:
        self._asr, self._recording, self._cutter = asr, recording, cutter
        self._batch_size, self._decoding = batch_size, decoding
        self.duration: float | None = recording.duration
        self.notes = list(recording.notes)
        self._segments: Iterator[Segment] = self._recognised()

    def __next__(self) -> Segment:
        return next(self._segments)

    def close(self) -> None:
        """Stop, and close the file."""
        self._segments = iter(())
        self._recording.close()

    def _recognised(self) -> Iterator[Segment]:
        joiner = Joiner(self._asr.tokenizer, self._recording.sample_rate)
        speech = False
        cut = self._pieces()
        while pieces := list(itertools.islice(cut, self._batch_size)):
            speech = True
            for piece, result in zip(pieces, self._batch(pieces), strict=True):
                yield from joiner.add(piece, result)
            # Else they would be there until the next batch is complete.
            pieces.clear()
        yield from joiner.finish()
        if not speech:
            self.notes.append("no speech was found")

    def _pieces(self) -> Iterator[Piece]:
        for block in self._recording:
            yield from self._cutter.push(block)
        yield from self._cutter.finish()

    def _batch(self, pieces: Sequence[Piece]) -> list[Recognition]:
        samples = [self._padded(piece.samples) for piece in pieces]
        results = self._asr.batch(samples, batch_size=self._batch_size, **self._decoding)
        found = (note for result in results for note in result.notes)
        self.notes += [note for note in dict.fromkeys(found) if note not in self.notes]
        return results

    def _padded(self, samples: Array) -> Array:
        missing = round(_SHORTEST * self._recording.sample_rate) - len(samples)
        return np.pad(samples, (0, missing)) if missing > 0 else samples


def is_cut(asr: Any, audio: Any, cutting: Cutting, *, sample_rate: int | None = None) -> bool:
    """Whether a recording would be cut into pieces for this recogniser; see `segments`."""
    if cutting.long == "auto" and (
        getattr(asr, "sample_rate", None) is None or getattr(asr, "whole_only", None)
    ):
        return False
    rate = sample_rate or getattr(asr, "sample_rate", None)
    return cutting.is_long(seconds_of(audio, rate) if rate else None)


def segments(
    asr: Recogniser,
    audio: Any,
    cutting: Cutting | None = None,
    *,
    sample_rate: int | None = None,
    batch_size: int = 16,
    **decoding: Any,
) -> Segments:
    """Recognise a recording of any length, segment by segment.

    Args:
        asr: the recogniser.
        audio: a path, a file object or an array (S,).
        cutting: whether and how it is cut.
        sample_rate: of an array, in Hz; None where it already is the model's.
        batch_size: pieces recognised together.
        decoding: settings of the search to change.

    Raises:
        AudioError: the recording cannot be read; of what comes late in it, when that is reached.
        InputError: a setting that cannot be used, or a model that takes no waveform or no pieces.
    """
    rate = asr.sample_rate
    if rate is None:
        raise InputError("this model takes features, which cannot be cut: use long=off")
    if reason := getattr(asr, "whole_only", None):
        raise InputError(f"{reason}: use long=off")
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}: give 1 or more")
    cutting = cutting or Cutting()
    recording = open_recording(audio, rate, sample_rate=sample_rate)
    try:
        cutter = cutting.cutter(recording.duration, rate)
    except InputError:
        recording.close()
        raise
    return Segments(asr, recording, cutter, batch_size, decoding)


def transcribe(
    asr: Recogniser,
    audio: Any,
    cutting: Cutting | None = None,
    *,
    sample_rate: int | None = None,
    batch_size: int = 16,
    **decoding: Any,
) -> Recognition:
    """Recognise a recording of any length; arguments and errors are those of `segments`.

    What is not cut is recognised as `asr(audio)` does.
    """
    cutting = cutting or Cutting()
    if not is_cut(asr, audio, cutting, sample_rate=sample_rate):
        return asr.batch([audio], batch_size=1, sample_rate=sample_rate, **decoding)[0]
    found = segments(
        asr, audio, cutting, sample_rate=sample_rate, batch_size=batch_size, **decoding
    )
    return whole(found, list(found))


def split_options(options: Mapping[str, Any]) -> tuple[Cutting, dict[str, Any]]:
    """Keyword arguments that are fields of `Cutting`, and the others."""
    names = {a.name for a in attrs.fields(Cutting)}
    cutting = Cutting(**{name: options[name] for name in names & options.keys()})
    return cutting, {name: value for name, value in options.items() if name not in names}


def whole(found: Told, parts: Sequence[Segment]) -> Recognition:
    """One result of all segments of a recording, whose words and tokens follow each other.

    Its score is the sum of theirs.
    """
    texts = [part.text for part in parts if part.text is not None]
    return Recognition(
        join_texts(texts) if texts or not parts else None,
        tokens=_chained(part.tokens for part in parts),
        ids=_chained(part.ids for part in parts),
        score=sum(part.score for part in parts),
        token_times=_chained(part.token_times for part in parts),
        words=_chained(part.words for part in parts),
        notes=tuple(found.notes),
        duration=found.duration,
        segments=tuple(parts),
    )


def _chained(parts: Iterable[Sequence[T]]) -> tuple[T, ...]:
    return tuple(itertools.chain.from_iterable(parts))
