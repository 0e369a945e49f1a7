"""Log probabilities of pairs of a frame and a prefix, and the loop that batches their searches.

A search is a generator: it yields an `Ask` and is sent the answer. So every search scores many
pairs in one session call, those of all utterances of a batch, and reads as if it were alone.

Shapes: N pairs, F frames of all utterances, J joint width, V tokens.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import attrs
import numpy as np

from espnet_onnx.roles import Prediction
from espnet_onnx.types import Array

from .prefixes import Prefixes

__all__ = ["Ask", "Scores", "Search", "answer"]

Result = TypeVar("Result")


@attrs.frozen
class Ask:
    """Pairs to score.

    Attributes:
        frames: of the utterance, one a pair.
        prefixes: numbers of `Prefixes`, one a pair; what they extend was asked for before.
    """

    frames: Sequence[int]
    prefixes: Sequence[int]


# Yields what it needs, is sent (N, V) log probabilities, returns its result.
Search = Generator[Ask, Array, Result]


class Scores:
    """Scores pairs, reading every prefix once.

    Args:
        prediction: the networks.
        frames: (F, J), rows of `Prediction.project`.
        prefixes: shared by the searches, as what the network makes of a prefix depends on no audio.
    """

    def __init__(self, prediction: Prediction, frames: Array, prefixes: Prefixes) -> None:
        self._prediction, self._frames, self._prefixes = prediction, frames, prefixes
        # What the network made of prefixes: states and outputs; row 0 stands before the first
        # token. Searches name many prefixes that they never ask for.
        self._arrays = [*prediction.start(), np.zeros((1, frames.shape[-1]), np.float32)]
        self._rows: dict[int, int] = {}

    def __call__(self, frames: Sequence[int], prefixes: Sequence[int]) -> Array:
        """N rows of frames and N prefixes -> (N, V)."""
        heard = self._frames[frames]
        rows = [self._rows[prefix] for prefix in prefixes if prefix in self._rows]
        if len(rows) == len(prefixes):
            return self._prediction.joint(heard, self._arrays[-1][rows])
        # One call for all: reading a known prefix again costs less than a second call.
        return self._read(heard, prefixes)

    def hear(self, frames: Array) -> None:
        """Go on with (F, J) other frames."""
        self._frames = frames

    def keep(self, numbers: Sequence[int]) -> None:
        """Forget as `Prefixes.keep` does."""
        known = [(new, self._rows[old]) for new, old in enumerate(numbers) if old in self._rows]
        self._arrays = [array[[0, *(row for _, row in known)]] for array in self._arrays]
        self._rows = {new: row for row, (new, _) in enumerate(known, 1)}

    def _read(self, heard: Array, prefixes: Sequence[int]) -> Array:
        last, parent = self._prefixes.last, self._prefixes.parent
        before = [self._rows[parent[p]] if p else 0 for p in prefixes]
        tokens = np.array([last[p] for p in prefixes], np.int64)
        states = [array[before] for array in self._arrays[:-1]]
        log_probs, outputs, new = self._prediction.step(heard, tokens, states)
        pairs = {p: pair for pair, p in enumerate(prefixes) if p not in self._rows}
        rows = range(len(self._rows) + 1, len(self._rows) + 1 + len(pairs))
        self._rows.update(zip(pairs, rows, strict=True))
        self._grow()
        chosen = list(pairs.values())
        for array, made in zip(self._arrays, (*new, outputs), strict=True):
            array[rows.start : rows.stop] = made[chosen]
        return log_probs

    def _grow(self) -> None:
        wanted, size = len(self._rows) + 1, len(self._arrays[-1])
        if wanted > size:
            more = max(wanted, 2 * size) - size
            self._arrays = [
                np.concatenate([array, np.zeros((more, *array.shape[1:]), array.dtype)])
                for array in self._arrays
            ]


def answer(searches: Sequence[Search[Result]], starts: Sequence[int], scores: Scores) -> list[Any]:
    """The results of searches, one an utterance, each round's asks scored in one call.

    Args:
        searches: generators.
        starts: the row of each utterance's first frame.
        scores: what scores pairs of all.
    """
    results: list[Any] = [None] * len(searches)
    waiting: dict[int, Ask] = {}
    for index, search in enumerate(searches):
        _advance(index, search, None, waiting, results)
    while waiting:
        asks = list(waiting.items())
        waiting = {}
        found = scores(
            [frame + starts[index] for index, ask in asks for frame in ask.frames],
            [prefix for _, ask in asks for prefix in ask.prefixes],
        )
        end = 0
        for index, ask in asks:
            start, end = end, end + len(ask.prefixes)
            _advance(index, searches[index], found[start:end], waiting, results)
    return results


def _advance(
    index: int,
    search: Search[Any],
    rows: Array | None,
    waiting: dict[int, Ask],
    results: list[Any],
) -> None:
    try:
        waiting[index] = next(search) if rows is None else search.send(rows)
    except StopIteration as end:
        results[index] = end.value
