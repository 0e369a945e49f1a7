"""What a synthesis returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from ..errors import InputError
from ..types import Array

__all__ = ["Speech", "joined", "open_file"]


@attrs.frozen(eq=False)
class Speech:
    """A spoken text.

    Attributes:
        wave: (N,) float32, full scale is 1.
        sample_rate: in Hz.
        ids: the tokens that were spoken.
        durations: (U,) frames of each token that the model saw (ESPnet's <sos/eos> included);
            None where the model knows of no such thing.
        details: what else ESPnet returns, by its names; only of a text that was spoken in one go.
    """

    wave: Array = attrs.field(repr=False)
    sample_rate: int
    ids: Sequence[int] = attrs.field(repr=False)
    durations: Array | None = attrs.field(default=None, repr=False)
    details: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.wave) / self.sample_rate

    def save(self, path: str | Path) -> None:
        """Write a sound file of 16 bits, as ESPnet does; its ending says which format.

        Raises:
            InputError: it cannot be written.
        """
        with open_file(path, self.sample_rate) as file:
            file.write(self.wave)


@contextmanager
def open_file(path: str | Path, sample_rate: int) -> Iterator[Any]:
    """A new sound file of one channel, for `write(wave)`.

    Raises:
        InputError: it cannot be written.
    """
    import soundfile

    try:
        file = soundfile.SoundFile(str(path), "w", sample_rate, 1, "PCM_16")
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        why = " ".join(str(error).splitlines())
        raise InputError(
            f"{path}: cannot be written ({why}): give a name that ends in .wav or .flac, in a"
            " folder that is there"
        ) from error
    with file:
        yield file


def joined(parts: Sequence[Speech]) -> Speech:
    """One after another; at least one."""
    if len(parts) == 1:
        return parts[0]
    known = [part.durations for part in parts if part.durations is not None]
    return Speech(
        np.concatenate([part.wave for part in parts]),
        parts[0].sample_rate,
        [token for part in parts for token in part.ids],
        np.concatenate(known) if len(known) == len(parts) else None,
    )
