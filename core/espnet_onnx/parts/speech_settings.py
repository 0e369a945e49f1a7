"""How a text is spoken: options of the acoustic model, noise, and what the vocoder hears."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from ..errors import InputError
from ..roles import Noise
from .noise import Gaussian

__all__ = ["Settings"]

_MOST_ALPHA = 100.0  # how many times as slow: frames take memory


@attrs.frozen
class Settings:
    """How a text is spoken.

    Attributes:
        options: of the acoustic model, all of them.
        seed: of the noise, so that the same text sounds the same; None draws one.
        prefer_normalized_feats: hand the vocoder normalised features, as ESPnet's option does.
    """

    options: Mapping[str, float]
    seed: int | None = None
    prefer_normalized_feats: bool = False

    def but(self, **given: Any) -> Settings:
        """The same with some settings replaced.

        Raises:
            InputError: there is no such setting, or it takes no such value.
        """
        own = {k: v for k, v in given.items() if k in ("seed", "prefer_normalized_feats")}
        options = {k: v for k, v in given.items() if k not in own}
        for name, value in options.items():
            if name not in self.options:
                have = ", ".join([*self.options, "seed", "prefer_normalized_feats"])
                raise InputError(f"no setting is called {name}: there are {have}")
            if not isinstance(value, int | float | np.number) or not math.isfinite(value):
                raise InputError(f"{name} is {value!r}: give a number")
            if name == "alpha" and not 1 / _MOST_ALPHA <= value <= _MOST_ALPHA:
                raise InputError(f"alpha is {value:g}: give one from 0.01 to 100, 1 as trained")
        if not isinstance(own.get("prefer_normalized_feats", False), bool):
            raise InputError("prefer_normalized_feats is neither true nor false: give one of them")
        seed = own.get("seed")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer)):
            raise InputError(f"seed is {seed!r}: give a whole number, or none for a new one")
        return attrs.evolve(self, **{**own, "options": {**self.options, **options}})

    @property
    def follows(self) -> bool:
        """Whether a recording is followed: ESPnet's `use_teacher_forcing`."""
        return bool(self.options.get("use_teacher_forcing"))

    def noise(self, part: int = 0) -> Noise:
        """What a sentence of a text hears."""
        return Gaussian(self._seed, part)

    @property
    def _seed(self) -> int:
        return (
            int(np.random.SeedSequence().generate_state(1)[0]) if self.seed is None else self.seed
        )
