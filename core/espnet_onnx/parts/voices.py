"""Who is to speak, in which language, and after which example: checked before a model sees it.

Shapes: B utterances, C width of a speaker embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from ..errors import InputError
from ..types import Array

__all__ = ["Voices"]

_WHAT = {
    "sids": "a speaker id",
    "lids": "a language id",
    "spembs": "a speaker embedding (x-vector)",
    "speech": "a recording to speak like",
}
# As the command line calls them.
_OPTIONS = {"sids": "--sid", "lids": "--lid", "spembs": "--spembs", "speech": "--speech"}


@attrs.frozen
class Voices:
    """The voices that a model has.

    Attributes:
        needs: what it cannot speak without, by the names of ESPnet's `Text2Speech`.
        speakers: how many ids `sids` has; None where only the model knows.
        languages: likewise of `lids`.
        width: C of `spembs`.
    """

    needs: Sequence[str]
    speakers: int | None = None
    languages: int | None = None
    width: int | None = None

    def controls(
        self, given: Mapping[str, Any], count: int, also: Sequence[str] = ()
    ) -> dict[str, Array]:
        """What the acoustic model takes: ids (B,) int64, embeddings (B, C) float32.

        Args:
            given: by name, None for what was not given: one for all utterances or one for each.
            count: B.
            also: what it takes though it does not need it.

        Raises:
            InputError: something is missing, too much, out of range or of another size.
        """
        named = {name: value for name, value in given.items() if value is not None}
        missing = [name for name in self.needs if name not in named]
        if missing:
            name = missing[0]
            raise InputError(f"this model needs {_WHAT[name]}: give {name} ({_OPTIONS[name]})")
        extra = [name for name in named if name not in (*self.needs, *also)]
        if extra:
            raise InputError(f"this model does not take {_WHAT[extra[0]]}: leave {extra[0]} out")
        return {name: self._checked(name, value, count) for name, value in named.items()}

    def any(self) -> dict[str, Any]:
        """A voice to try the model with, as a call takes it."""
        noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
        made: dict[str, Any] = {"spembs": noise[: self.width or 1], "speech": noise}
        return {name: made.get(name, 0) for name in self.needs}

    def pick(self, controls: Mapping[str, Array], rows: Sequence[int]) -> dict[str, Array]:
        """The controls of some utterances; a recording is everybody's."""
        chosen = list(rows)
        return {n: value if n == "speech" else value[chosen] for n, value in controls.items()}

    def _checked(self, name: str, value: Any, count: int) -> Array:
        if name == "spembs":
            return self._embeddings(value, count)
        if name == "speech":
            return np.asarray(value, np.float32)
        most = self.speakers if name == "sids" else self.languages
        ids = _numbers(name, value)
        if ids.size not in (1, count) or not np.equal(ids, np.floor(ids)).all():
            raise InputError(f"{name} is {value!r}: give {_WHAT[name]}, or one for each text")
        wrong = ids[(ids < 0) | (ids >= (np.inf if most is None else most))]
        if wrong.size:
            have = "" if most is None else f", this model knows 0 to {most - 1}"
            raise InputError(f"{name} is {int(wrong.flat[0])}{have}: give one of these")
        return np.broadcast_to(ids.reshape(-1), (count,)).astype(np.int64)

    def _embeddings(self, value: Any, count: int) -> Array:
        array = _numbers("spembs", value)
        rows = array[None] if array.ndim == 1 else array
        if rows.ndim != 2 or len(rows) not in (1, count) or self.width not in (None, rows.shape[1]):
            want = "C" if self.width is None else str(self.width)
            raise InputError(
                f"spembs has the shape {array.shape}, this model wants ({want},): give the"
                " x-vector that its recipe extracts"
            )
        return np.broadcast_to(rows, (count, rows.shape[1])).astype(np.float32)


def _numbers(name: str, value: Any) -> Array:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {value!r}: give {_WHAT[name]}") from None
    if not array.size or not np.isfinite(array).all():
        raise InputError(f"{name} is empty or not finite: give {_WHAT[name]}")
    return array
