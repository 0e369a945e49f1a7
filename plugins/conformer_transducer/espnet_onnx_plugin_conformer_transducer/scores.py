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
        start = prediction.start()
        # Row 0 stands before the first token; prefix p has row p + 1.
        self._known = np.zeros(1, bool)
        self._arrays = [*start, np.zeros((1, frames.shape[-1]), np.float32)]

    def __call__(self, frames: Array, prefixes: Array) -> Array:
        """(N,) rows of frames and (N,) prefixes -> (N, V)."""
        self._grow()
        heard = self._frames[frames]
        if self._known[prefixes + 1].all():
            return self._prediction.joint(heard, self._arrays[-1][prefixes + 1])
        # One call for all: reading a known prefix again costs less than a second call.
        return self._read(heard, prefixes)

    def hear(self, frames: Array) -> None:
        """Go on with (F, J) other frames."""
        self._frames = frames

    def keep(self, numbers: Sequence[int]) -> None:
        """Forget as `Prefixes.keep` does."""
        self._grow()
        rows = [0, *(number + 1 for number in numbers)]
        self._known = self._known[rows]
        self._arrays = [array[rows] for array in self._arrays]

    def _read(self, heard: Array, prefixes: Array) -> Array:
        last, parent = self._prefixes.last, self._prefixes.parent
        tokens = np.array([last[p] for p in prefixes], np.int64)
        before = np.array([parent[p] + 1 if p else 0 for p in prefixes])
        states = [array[before] for array in self._arrays[:-1]]
        log_probs, outputs, new = self._prediction.step(heard, tokens, states)
        for array, rows in zip(self._arrays, (*new, outputs), strict=True):
            array[prefixes + 1] = rows
        self._known[prefixes + 1] = True
        return log_probs

    def _grow(self) -> None:
        wanted = len(self._prefixes) + 1
        if wanted > len(self._known):
            more = max(wanted, 2 * len(self._known)) - len(self._known)
            self._known = np.concatenate([self._known, np.zeros(more, bool)])
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
        frames = np.concatenate([np.asarray(ask.frames) + starts[i] for i, ask in asks])
        found = scores(frames, np.concatenate([np.asarray(ask.prefixes) for _, ask in asks]))
        ends = np.cumsum([len(ask.prefixes) for _, ask in asks])
        waiting = {}
        for (index, _), rows in zip(asks, np.split(found, ends[:-1]), strict=True):
            _advance(index, searches[index], rows, waiting, results)
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
