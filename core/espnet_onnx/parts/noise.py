"""Normal noise of which every value has an address, so that it never depends on its company.

A value is a function of seed, name, how often the name was asked for before, and its place in the
array. So an utterance gets the same noise alone, in a padded batch and in a stream, whatever the
lengths beside it.

Shapes: B utterances, T frames.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..roles import Noise
from ..types import Array

__all__ = ["Excerpts", "Gaussian"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Gaussian:
    """Seeded noise; see `roles.Noise`. Every utterance of a batch gets what it would get alone.

    Args:
        seed: equal seeds give equal noise on every machine.
        part: tells the sentences of one text apart.
    """

    def __init__(self, seed: int, part: int = 0) -> None:
        self._seed = f"{seed}:{part}"
        self._asked: Counter[str] = Counter()

    def __call__(self, name: str, shape: Sequence[int]) -> Array:
        """(B, ...) standard normal float32."""
        address = f"{self._seed}:{self._asked[name]}:{name}"
        self._asked[name] += 1
        key = hashlib.blake2b(address.encode(), digest_size=8).digest()
        bits = np.frombuffer(key, "<u8").reshape(())
        with np.errstate(over="ignore"):
            for size in shape[1:]:
                place = _GOLDEN * np.arange(1, size + 1, dtype=np.uint64)
                bits = _mixed(bits[..., None] + place)
        return np.repeat(_normal(bits)[None], shape[0], axis=0)


class Excerpts:
    """The noise of a whole utterance, handed out in pieces of its frames.

    Args:
        noise: of the whole.
        frames: T of the whole.
    """

    def __init__(self, noise: Noise, frames: int) -> None:
        self._noise, self._frames = noise, frames
        self._drawn: dict[tuple[str, int], Array] = {}

    def between(self, begin: int, end: int) -> Noise:
        """The noise of these frames: the last axis of what is asked for counts time."""
        # What is not so much a frame only serves who hears the whole.
        whole = (begin, end) == (0, self._frames)
        asked: Counter[str] = Counter()

        def excerpt(name: str, shape: Sequence[int]) -> Array:
            step = shape[-1] // (end - begin)
            key = (name, asked[name])
            asked[name] += 1
            if key not in self._drawn:
                steps = shape[-1] if whole else step * self._frames
                self._drawn[key] = self._noise(name, (*shape[:-1], steps))
            drawn = self._drawn[key]
            return drawn if whole else drawn[..., begin * step : end * step]

        return excerpt


def _mixed(x: Array) -> Array:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = x ^ (x >> np.uint64(31))
    return mixed


def _normal(bits: Array) -> Array:
    """Box and Muller's transform of 24 high and 32 low bits."""
    radius = np.sqrt(-2 * np.log(((bits >> np.uint64(40)) + 0.5) / 2**24))
    angle = (bits & np.uint64(0xFFFFFFFF)) * (2 * np.pi / 2**32)
    normal: Array = (radius * np.cos(angle)).astype(np.float32)
    return normal
