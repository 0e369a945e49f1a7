"""Recordings: a file, a file object or an array becomes mono float32 at the model's rate.

Shapes: S samples, C channels.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from ..errors import AudioError
from ..roles import Frontend
from ..types import Array

__all__ = [
    "Audio",
    "check_samples",
    "from_array",
    "is_array",
    "name_of",
    "open_sound",
    "read_audio",
    "read_for",
]

# What one full-scale step of an integer sample is worth; uint8 is centred on 128, as in WAV.
_FULL_SCALE = {"int8": 2.0**7, "uint8": 2.0**7, "int16": 2.0**15, "int32": 2.0**31}
# Float recordings may clip above 1; above this they are integers that were never scaled.
_LOUDEST = 16.0
_PATHS = (str, os.PathLike)


@attrs.frozen
class Audio:
    """A recording, ready for a frontend.

    Attributes:
        samples: (S,) float32, mono, full scale is 1; may be the very array that was read.
        sample_rate: samples a second.
        notes: what was changed on the way, one sentence each.
        name: the file's name, or a description of the array.
    """

    samples: Array = attrs.field(eq=attrs.cmp_using(eq=np.array_equal), repr=False)
    sample_rate: int
    notes: tuple[str, ...] = ()
    name: str = "audio"

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


def read_audio(source: Any, rate: int, *, sample_rate: int | None = None) -> Audio:
    """Read a recording as mono float32 at `rate`.

    A file that needs no change gives exactly `soundfile.read(source, dtype="float32")`, which is
    what ESPnet's `fileio.sound_scp.soundfile_read` hands to a model at inference.

    Args:
        source: path, binary file object, or array of shape (S,), (S, C) or (1, S); whatever has
            `__array__` counts as an array. Integers (8, 16 or 32 bits) are scaled to [-1, 1).
        rate: the sample rate that is wanted.
        sample_rate: rate of an array, None where it already is `rate`. Files state their own.

    Raises:
        AudioError: `source` is missing, unreadable, empty, not finite, of a shape or type that
            is no recording, or holds integer-sized values as floats.
    """
    name = name_of(source)
    if is_array(source):
        samples, notes = from_array(np.asarray(source), name)
        given = rate if sample_rate is None else sample_rate
    else:
        with open_sound(source, name) as sound:
            samples, given = sound.read(dtype="float32", always_2d=True), sound.samplerate
        notes = []
    check_samples(samples, name)
    if samples.shape[1] > 1:
        notes.append(f"mixed {samples.shape[1]} channels to mono")
        samples = samples.mean(axis=1, dtype=np.float32, keepdims=True)
    mono = samples[:, 0]
    if given != rate:
        notes.append(f"resampled from {given} Hz to {rate} Hz")
        mono = _resample(mono, given, rate, name)
    return Audio(np.ascontiguousarray(mono), rate, tuple(notes), name)


def read_for(frontend: Frontend, source: Any, *, sample_rate: int | None = None) -> Audio:
    """Read a recording as a frontend takes it; see `read_audio`.

    Raises:
        AudioError: also where it is too short for the frontend.
    """
    read = read_audio(source, frontend.sample_rate, sample_rate=sample_rate)
    if len(read.samples) < frontend.shortest:
        raise AudioError(
            f"{read.name}: too short ({len(read.samples)} samples at {read.sample_rate} Hz, the "
            f"model needs {frontend.shortest}): give longer audio"
        )
    return read


def is_array(source: Any) -> bool:
    """Whether a recording is given as samples, not as a file."""
    return hasattr(source, "__array__") and not isinstance(source, _PATHS)


def name_of(source: Any) -> str:
    """What messages call a recording."""
    if is_array(source):
        return "audio array"
    name = source if isinstance(source, _PATHS) else getattr(source, "name", None)
    return str(os.fspath(name)) if isinstance(name, _PATHS) else "audio stream"


@contextmanager
def open_sound(source: Any, name: str) -> Iterator[Any]:
    """A `soundfile.SoundFile` of a path or a file object, for the length of a `with`.

    Raises:
        AudioError: it cannot be opened, or what is read inside the `with` is damaged.
    """
    import soundfile

    try:
        file = _openable(source, name)
    except OSError as error:
        why = error.strerror or str(error)
        raise AudioError(f"{name}: cannot be opened ({why}); check the file") from error
    try:
        with soundfile.SoundFile(file) as sound:
            yield sound
    # TypeError: what soundfile says of headerless files (.raw).
    except (soundfile.SoundFileError, TypeError) as error:
        why = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise AudioError(
            f"{name}: cannot be read as audio ({why}); give an intact WAV, FLAC, OGG or MP3 file"
        ) from error


def _openable(source: Any, name: str) -> Any:
    """What soundfile can seek in: the path itself, a seekable file, or the bytes of a pipe."""
    if isinstance(source, _PATHS):
        return _checked_path(Path(source), name)
    if hasattr(source, "read"):
        return _checked_stream(source, name)
    raise AudioError(
        f"{type(source).__name__} is no audio; give a path, a binary file or a numpy array"
    )


def _checked_path(path: Path, name: str) -> Any:
    if not name:
        raise AudioError("a recording's name is empty; give the path of a file")
    if not path.exists():
        raise AudioError(f"{name}: no such file; check the path")
    if path.is_dir():
        raise AudioError(f"{name}: is a folder; give the audio files in it")
    if not path.is_file():
        return _checked_stream(io.BytesIO(path.read_bytes()), name)
    if path.stat().st_size == 0:
        raise AudioError(f"{name}: the file is empty; record or copy it again")
    path.open("rb").close()
    return path


def _checked_stream(source: Any, name: str) -> Any:
    """A seekable binary stream that is not at its end."""
    if not (hasattr(source, "seekable") and source.seekable()):
        source = io.BytesIO(source.read())
    here = source.tell()
    head = source.read(1)
    source.seek(here)
    if isinstance(head, str):
        raise AudioError(f"{name}: was opened as text; open it in binary mode ('rb')")
    if not head:
        raise AudioError(f"{name}: the stream is empty or at its end; rewind or send the audio")
    return source


def from_array(array: Array, name: str) -> tuple[Array, list[str]]:
    """Shape an array to (S, C) float32; and what was changed.

    Raises:
        AudioError: its shape or type is none of a recording.
    """
    samples = _columns(array, name)
    kind = samples.dtype.name
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # float64 beyond float32 is then refused as not finite
            return samples.astype(np.float32, copy=False), []
    if kind not in _FULL_SCALE:
        raise AudioError(
            f"{name}: type {kind} is no sample format; give floats in [-1, 1] or int16 samples"
        )
    centred = samples.astype(np.float32) - np.float32(128 if kind == "uint8" else 0)
    scale = _FULL_SCALE[kind]
    return centred / np.float32(scale), [f"scaled {kind} samples by 1/{scale:.0f}"]


def _columns(array: Array, name: str) -> Array:
    """(S,), (S, C) or (1, S) -> (S, C)."""
    shape = array.shape
    if array.ndim == 1:
        return array[:, None]
    if array.ndim == 2 and 1 in shape:
        return array.reshape(-1, 1)
    if array.ndim == 2 and (shape[0] > shape[1] or 0 in shape):
        return array
    if array.ndim == 2:
        raise AudioError(
            f"{name}: shape {shape} has fewer samples than channels; transpose channels-first "
            "audio to (samples, channels), or give several recordings one by one"
        )
    raise AudioError(
        f"{name}: shape {shape} is no recording; give (samples,) or (samples, channels)"
    )


def check_samples(samples: Array, name: str) -> None:
    """Refuse (S, C) float32 that no model can use.

    Raises:
        AudioError: no samples, or values that are not finite or were never scaled.
    """
    if samples.size == 0:
        raise AudioError(f"{name}: holds zero samples; record or cut it again")
    loudest = float(np.abs(samples).max())
    if not np.isfinite(loudest):
        bad = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioError(
            f"{name}: {bad} of {samples.size} samples are NaN or infinite; repair the audio first"
        )
    if loudest > _LOUDEST:
        raise AudioError(
            f"{name}: samples reach {loudest:.0f}, so these are integers given as floats; "
            "divide 16-bit samples by 32768 to bring them to [-1, 1]"
        )


def _resample(mono: Array, given: Any, rate: int, name: str) -> Array:
    import soxr

    if not 0 < given < float("inf"):
        raise AudioError(f"{name}: a sample rate of {given} Hz is impossible; give the true rate")
    resampled: Array = soxr.resample(mono, given, rate, quality="HQ")
    if resampled.size == 0:
        raise AudioError(f"{name}: {len(mono)} samples are too few to resample; give more audio")
    return resampled
