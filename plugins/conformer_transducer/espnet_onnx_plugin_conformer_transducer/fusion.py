"""A language model's scores of what may follow a prefix.

Shapes: U tokens so far, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from espnet_onnx.roles import Scorer
from espnet_onnx.types import Array

from .prefixes import Prefixes

__all__ = ["Fusion"]


class Fusion:
    """Asks a language model once for every prefix.

    Args:
        lm: the model.
        prefixes: what it reads; an attribute, too.
        start: the token that it reads first.
    """

    def __init__(self, lm: Scorer, prefixes: Prefixes, start: int) -> None:
        self._lm, self.prefixes, self._start = lm, prefixes, start
        self._known: dict[int, tuple[Array, Any]] = {}

    def __call__(self, prefix: int) -> Array:
        """(V,) log probabilities of the next token."""
        return self._of(prefix)[0]

    def keep(self, numbers: Sequence[int]) -> None:
        """Forget as `Prefixes.keep` does."""
        known = self._known
        self._known = {n: known[old] for n, old in enumerate(numbers) if old in known}

    def _of(self, prefix: int) -> tuple[Array, Any]:
        # Parents first, without recursion: a prefix may be long.
        missing = []
        at = prefix
        while at not in self._known:
            missing.append(at)
            if not at:
                break
            at = self.prefixes.parent[at]
        for number in reversed(missing):
            self._known[number] = self._read(number)
        return self._known[prefix]

    def _read(self, prefix: int) -> tuple[Array, Any]:
        if prefix:
            state = self._known[self.prefixes.parent[prefix]][1]
        else:
            state = self._lm.start(np.zeros((1, 0, 0), np.float32), np.zeros(1, np.int64))
        tokens = np.array([[[self._start, *self.prefixes.tokens(prefix)]]], np.int64)
        log_probs, state = self._lm.score(tokens, state, np.zeros((1, 1), np.int64))
        return log_probs[0, 0], state
