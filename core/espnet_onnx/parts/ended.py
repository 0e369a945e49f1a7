"""The finished hypotheses of one utterance, and when no better one can follow."""

from __future__ import annotations

import math

from .hypothesis import Hypothesis

__all__ = ["Ended"]

# `end_detect` (espnet2/legacy/nets/e2e_asr_common.py): so many lengths in a row, so much worse.
_LENGTHS = 3
_WORSE = -10.0


class Ended:
    """Collects hypotheses as they end."""

    def __init__(self) -> None:
        self._hypotheses: list[Hypothesis] = []
        self._best_of_length: dict[int, float] = {}

    def add(self, hypothesis: Hypothesis) -> None:
        """Take a hypothesis that has ended."""
        self._hypotheses.append(hypothesis)
        length = len(hypothesis.tokens) + 2  # ESPnet counts <sos> and <eos>
        best = self._best_of_length.get(length, -math.inf)
        self._best_of_length[length] = max(best, hypothesis.score)

    def is_final(self, step: int) -> bool:
        """Whether those that ended of late are all far worse than the best (`end_detect`)."""
        if not self._hypotheses:
            return False
        best = max(self._best_of_length.values())
        lengths = range(step, step - _LENGTHS, -1)
        return all(self._best_of_length.get(n, math.inf) - best < _WORSE for n in lengths)

    def best(self, count: int, normalize_length: bool) -> list[Hypothesis]:
        """The n-best list (`BatchBeamSearch._nbest`), at most `count` long."""

        def rank(hypothesis: Hypothesis) -> float:
            per = len(hypothesis.tokens) + 1 if normalize_length else 1
            return hypothesis.score / per

        return sorted(self._hypotheses, key=rank, reverse=True)[:count]
