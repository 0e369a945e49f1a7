"""Voice activity: pieces of a recording that begin and end in pauses.

Shapes: S samples, N frames, F samples a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import attrs
import numpy as np

from ..types import Array
from .pieces import Piece, Tape

__all__ = ["Detector", "Energy", "Pauses", "Rules", "decibels"]

_SILENT = -100.0  # dB; what digital zero counts as


class Detector(Protocol):
    """Tells speech from the rest. Keeps what it learns of a recording from call to call.

    Attributes:
        frame: samples F of a frame.
    """

    frame: int

    def __call__(self, frames: Array) -> Array:
        """The next (N, F) frames of a recording -> (N,) from 0 to 1, how much each is speech."""


@attrs.frozen(kw_only=True)
class Rules:
    """How speech becomes pieces; times in seconds.

    The rules of silero-vad's `get_speech_timestamps`, but that what grows too long is cut at its
    quietest point, with an overlap where that is no pause.

    Attributes:
        longest: longest piece.
        overlap: what two pieces share where they were cut within speech.
        speech: shorter speech is ignored.
        silence: a shorter pause ends no piece; at least twice `pad`.
        pad: what a piece has before and behind its speech.
        enter: activity from which on it is speech.
        leave: activity below which it is speech no longer.
    """

    longest: float = 20.0
    overlap: float = 4.0
    speech: float = 0.1
    silence: float = 0.4
    pad: float = 0.2
    enter: float = 0.5
    leave: float = 0.35


def decibels(frames: Array) -> Array:
    """(N, F) -> (N,) power of each frame against full scale, without its mean."""
    power = frames.var(axis=1, dtype=np.float64)
    level: Array = np.maximum(10 * np.log10(np.maximum(power, 1e-12)), _SILENT)
    return level


class Energy:
    """Speech is what is louder than the noise, whose level follows the recording.

    The noise is what the quietest frames of the last half minute are like; but nothing so faint
    beside the speech that it must be a gap in an edited recording.

    Args:
        sample_rate: of the recording, in Hz.
    """

    MEMORY = 30.0  # seconds
    FRAME = 0.02  # seconds
    LOUDER = (5.5, 9.0)  # dB above the noise where speech may go on, and where it begins
    RANGE = 45.0  # dB from loud speech down to noise, at most
    FAINTEST = -75.0  # dB

    def __init__(self, sample_rate: int) -> None:
        self.frame = round(self.FRAME * sample_rate)
        self._levels = np.zeros(0)

    def __call__(self, frames: Array) -> Array:
        """See `Detector`."""
        levels = decibels(frames)
        recent = np.concatenate([self._levels, levels])
        self._levels = recent[-round(self.MEMORY / self.FRAME) :]
        noise, loud = np.percentile(recent, [5, 95]) if len(recent) else (0.0, 0.0)
        floor = max(noise, loud - self.RANGE, self.FAINTEST)
        leave, enter = self.LOUDER
        slope = (Rules().enter - Rules().leave) / (enter - leave)
        return np.clip(Rules().enter + slope * (levels - floor - enter), 0.0, 1.0)


class Pauses:
    """Cuts a recording in its pauses; see `Rules`.

    Args:
        detector: finds the speech.
        sample_rate: of the recording, in Hz.
        rules: how speech becomes pieces.
    """

    # A pause to cut in lasts so long.
    PAUSE = 0.1

    def __init__(self, detector: Detector, sample_rate: int, rules: Rules | None = None) -> None:
        rules = rules or Rules()
        self._rules, self._detector = rules, detector
        self._pad, self._longest, self._overlap, self._speech, self._silence = (
            round(seconds * sample_rate)
            for seconds in (rules.pad, rules.longest, rules.overlap, rules.speech, rules.silence)
        )
        self._width = max(1, round(self.PAUSE * sample_rate / detector.frame))
        self._tape = Tape()
        self._at = 0  # the sample after the last frame that was looked at
        self._speaking = False
        self._first = self._begin = self._quiet = 0  # speech, its piece, and its pause begin
        self._heard: list[tuple[float, float]] = []  # activity and level since `_begin`

    def push(self, block: Array) -> Iterator[Piece]:
        """See `Cutter`."""
        self._tape.append(block)
        size = self._detector.frame
        count = (self._tape.end - self._at) // size
        yield from self._look(self._tape.piece(self._at, self._at + count * size).samples)

    def finish(self) -> Iterator[Piece]:
        """See `Cutter`."""
        end = self._tape.end
        rest = self._tape.piece(self._at, end).samples
        if len(rest):
            yield from self._look(np.pad(rest, (0, self._detector.frame - len(rest))))
        if self._speaking and end - self._first > self._speech:
            yield self._tape.piece(self._begin, end)

    def _look(self, samples: Array) -> Iterator[Piece]:
        """Whole frames of samples."""
        frames = samples.reshape(-1, self._detector.frame)
        if not len(frames):
            return
        activity, levels = self._detector(frames), decibels(frames)
        for active, level in zip(activity.tolist(), levels.tolist(), strict=True):
            yield from self._step(active, level)
            self._at += self._detector.frame
        self._tape.forget(self._begin if self._speaking else self._at - self._pad)

    def _step(self, active: float, level: float) -> Iterator[Piece]:
        """One frame, which begins at `_at`."""
        if self._speaking:
            self._heard.append((active, level))
        if active >= self._rules.enter:
            self._quiet = 0
            if not self._speaking:
                self._start(active, level)
        elif active < self._rules.leave and self._speaking:
            self._quiet = self._quiet or self._at
            if self._at - self._quiet >= self._silence:
                yield from self._end()
        if self._speaking and self._at + self._detector.frame - self._begin > self._longest:
            yield self._cut()

    def _start(self, active: float, level: float) -> None:
        self._speaking, self._first = True, self._at
        self._begin = max(0, self._at - self._pad)
        unseen = (self._at - self._begin) // self._detector.frame
        # The pad before the speech is no place to cut.
        self._heard = [(1.0, 0.0)] * unseen + [(active, level)]

    def _end(self) -> Iterator[Piece]:
        self._speaking = False
        if self._quiet - self._first > self._speech:
            yield self._tape.piece(self._begin, min(self._quiet + self._pad, self._tape.end))

    def _cut(self) -> Piece:
        """End a piece that is as long as it may be, and go on with the next."""
        size, half = self._detector.frame, self._overlap // 2
        activity, levels = np.array(self._heard).T
        first = len(activity) // 2
        last = max(first + 1, len(activity) - half // size)
        middle, pause = _quietest(activity, levels, first, last, self._width, self._rules.leave)
        place, half = self._begin + middle * size, 0 if pause else half
        end = min(place + half, self._tape.end)
        piece = self._tape.piece(self._begin, end)
        skipped = middle - half // size
        self._begin += skipped * size
        self._first = self._begin
        self._heard = self._heard[skipped:]
        return piece


def _quietest(
    activity: Array, levels: Array, first: int, last: int, width: int, leave: float
) -> tuple[int, bool]:
    """The frame from `first` to `last` in whose midst of `width` frames it is quietest, and whether
    that is a pause; a pause is better than what is quieter."""
    places = np.arange(first, last)
    around = np.clip(places[:, None] + np.arange(width) - width // 2, 0, len(levels) - 1)
    quiet = activity[around].max(axis=1) < leave
    level = levels[around].mean(axis=1) + np.where(quiet, 0.0, 1000.0)
    best = int(level.argmin())
    return first + best, bool(quiet[best])
