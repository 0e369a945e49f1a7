"""Recordings of any length, a block at a time: the file is never in memory as a whole.

Shapes: S samples, C channels.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from ..errors import AudioError
from ..types import Array
from .audio import check_samples, from_array, is_array, name_of, open_sound

__all__ = ["Recording", "open_recording", "seconds_of"]

BLOCK = 10.0  # seconds


@attrs.define
class Recording:
    """An open recording; iterating gives its blocks, once. Closed after the last, or by `close`.

    Attributes:
        name: the file's name, or a description of the array.
        sample_rate: of the blocks, in Hz.
        duration: seconds, as the file states it.
        notes: what is changed on the way, one sentence each.
    """

    name: str
    sample_rate: int
    duration: float
    notes: tuple[str, ...]
    _blocks: Iterator[Array] = attrs.field(repr=False)
    _file: ExitStack = attrs.field(factory=ExitStack, repr=False)

    def __iter__(self) -> Iterator[Array]:
        """(S,) float32 at `sample_rate`, of about ten seconds each.

        Raises:
            AudioError: a block cannot be read or holds what is no audio.
        """
        with self._file:
            yield from self._blocks

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_recording(source: Any, rate: int, *, sample_rate: int | None = None) -> Recording:
    """Open what `read_audio` reads; the blocks together are what it returns.

    Args:
        source: path, binary file object or array, as in `read_audio`.
        rate: the sample rate that is wanted.
        sample_rate: rate of an array, None where it already is `rate`.

    Raises:
        AudioError: as in `read_audio`; of the samples themselves, when they are reached.
    """
    name = name_of(source)
    if is_array(source):
        given = rate if sample_rate is None else sample_rate
        samples, notes = from_array(np.asarray(source), name)
        step = _block(given)
        blocks = (samples[i : i + step] for i in range(0, len(samples), step))
        return _recording(name, rate, given, samples.shape, notes, blocks, ExitStack())
    with ExitStack() as stack:
        sound = stack.enter_context(open_sound(source, name))
        given, shape = sound.samplerate, (sound.frames, sound.channels)
        blocks = sound.blocks(_block(given), dtype="float32", always_2d=True)
        return _recording(name, rate, given, shape, [], blocks, stack.pop_all())


def seconds_of(source: Any, sample_rate: int) -> float | None:
    """Length of a recording by its header; None where only reading would tell.

    Args:
        source: as in `open_recording`; a file object keeps its position.
        sample_rate: of an array, in Hz.
    """
    if is_array(source):
        return max(np.shape(source), default=0) / sample_rate
    if isinstance(source, str | os.PathLike):
        return _stated(source) if Path(source).is_file() else None
    if not (hasattr(source, "seekable") and source.seekable()):
        return None
    here = source.tell()
    try:
        return _stated(source)
    finally:
        source.seek(here)


def _stated(source: Any) -> float | None:
    try:
        with open_sound(source, name_of(source)) as sound:
            return float(sound.frames / sound.samplerate)
    except AudioError:
        return None


def _block(rate: float) -> int:
    if not 0 < rate < math.inf:
        raise AudioError(f"a sample rate of {rate} Hz is impossible; give the true rate")
    return max(1, round(BLOCK * rate))


def _recording(
    name: str,
    rate: int,
    given: Any,
    shape: Sequence[int],
    notes: list[str],
    blocks: Iterator[Array],
    file: ExitStack,
) -> Recording:
    """A recording of (S, C) blocks at the rate `given`."""
    samples, channels = shape
    if channels > 1:
        notes.append(f"mixed {channels} channels to mono")
    if given != rate:
        notes.append(f"resampled from {given} Hz to {rate} Hz")
    mono = _at_rate(_mono(blocks, name), given, rate)
    return Recording(name, rate, samples / given, tuple(notes), mono, file)


def _mono(blocks: Iterator[Array], name: str) -> Iterator[Array]:
    """(S, C) -> (S,)."""
    empty = True
    for block in blocks:
        check_samples(block, name)
        empty = False
        yield block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0].copy()
    if empty:
        check_samples(np.zeros((0, 1), np.float32), name)


def _at_rate(blocks: Iterator[Array], given: Any, rate: int) -> Iterator[Array]:
    if given == rate:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(given, rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
