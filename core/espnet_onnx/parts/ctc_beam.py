"""Time-synchronous prefix beam search over CTC alone.

Shapes: B utterances, T frames, V tokens, K beam size. A prefix is a number: its parent's node in
the tree of prefixes times V plus its last token, so that no token sequence is ever compared.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable

import numpy as np

from ..errors import InputError
from ..types import Array
from .decoding import Decoding
from .hypothesis import Hypothesis

__all__ = ["ctc_beam"]

_PRE_BEAM = 1.5  # tokens that may prolong a prefix at a frame, in beam sizes
_IMPOSSIBLE = -math.inf
_ROOT = -1  # the empty prefix

# log p that a prefix was said and its last frame was a label, or blank
_Ways = tuple[float, float]


def ctc_beam(
    log_probs: Array, lengths: Array, decoding: Decoding, blank: int = 0
) -> list[list[Hypothesis]]:
    """Search as ESPnet's `BeamSearchTimeSync` does without decoder and language model
    (espnet2/legacy/nets/beam_search_timesync.py, arXiv 2210.05200 and 1408.2873).

    Args:
        log_probs: (B, T, V) log probabilities.
        lengths: (B,) valid frames.
        decoding: `beam_size`, `ctc_weight`, `penalty` and `nbest` count.
        blank: id of the blank.

    Returns:
        For each utterance its n-best list, best first.

    Raises:
        InputError: `ctc_weight` is 0.
    """
    if decoding.ctc_weight == 0:
        raise InputError("a time-synchronous search scores by CTC: ctc_weight=0 must be above 0")
    return [_Search(log_probs[b, :n], decoding, blank).run() for b, n in enumerate(lengths)]


class _Search:
    """One utterance."""

    def __init__(self, log_probs: Array, decoding: Decoding, blank: int) -> None:
        self._log_probs, self._decoding, self._blank = log_probs, decoding, blank
        self._vocab_size = log_probs.shape[1]
        self._nodes = {_ROOT: 0}  # every prefix that was ever on the beam
        self._spelled: list[tuple[int, int]] = [(_ROOT, 0)]  # node -> its prefix, its length
        self._beam = [_ROOT]
        self._ways: dict[int, _Ways] = {_ROOT: (_IMPOSSIBLE, 0.0)}

    def run(self) -> list[Hypothesis]:
        """The n-best list."""
        for frame in self._log_probs:
            self._beam = self._best(self._advance(frame))
        return [self._hypothesis(prefix) for prefix in self._beam[: self._decoding.nbest]]

    def _candidates(self, frame: Array) -> list[int]:
        """The tokens worth trying at a frame."""
        count = min(int(_PRE_BEAM * self._decoding.beam_size), self._vocab_size)
        threshold = np.partition(frame, -count)[-count]
        tokens: list[int] = np.flatnonzero(frame >= threshold).tolist()
        return tokens

    def _advance(self, frame: Array) -> set[int]:
        """Take one frame in (`BeamSearchTimeSync.time_step`); prefixes it may have led to."""
        log_p = [(token, float(frame[token])) for token in self._candidates(frame)]
        silence = float(frame[self._blank])
        before, on_beam = self._ways, frozenset(self._beam)
        after: dict[int, _Ways] = {}
        reached = set()
        for prefix in self._beam:
            label, blank = before[prefix]
            total = _log_add(label, blank)
            last = prefix % self._vocab_size if prefix != _ROOT else _ROOT
            first_child = self._nodes[prefix] * self._vocab_size
            for token, p in log_p:
                if token == self._blank:
                    _add(after, prefix, _IMPOSSIBLE, p + total)
                    reached.add(prefix)
                    continue
                longer = first_child + token
                if token == last:
                    _add(after, prefix, p + label, _IMPOSSIBLE)
                _add(after, longer, p + (blank if token == last else total), _IMPOSSIBLE)
                if longer in before and longer not in on_beam:  # pruned a frame ago
                    _add(after, longer, p + before[longer][0], silence + _log_add(*before[longer]))
                reached.add(longer)
        self._ways = after
        return reached

    def _best(self, prefixes: Iterable[int]) -> list[int]:
        """The K best, best first, each with a node of its own."""
        best = heapq.nlargest(self._decoding.beam_size, prefixes, key=self._score)
        for prefix in best:
            if prefix not in self._nodes:
                self._nodes[prefix] = len(self._spelled)
                self._spelled.append((prefix, self._length(prefix)))
        return best

    def _length(self, prefix: int) -> int:
        """Tokens of a prefix."""
        return 0 if prefix == _ROOT else self._spelled[prefix // self._vocab_size][1] + 1

    def _score(self, prefix: int) -> float:
        """What the beam is ranked by (`BeamSearchTimeSync.joint_score`)."""
        bonus = self._decoding.penalty * self._length(prefix)
        return self._decoding.ctc_weight * _log_add(*self._ways[prefix]) + bonus

    def _hypothesis(self, prefix: int) -> Hypothesis:
        """Spell a prefix out."""
        score, scores = self._score(prefix), {"ctc": _log_add(*self._ways[prefix])}
        if self._decoding.penalty != 0:
            scores["length_bonus"] = float(self._length(prefix))
        tokens = []
        while prefix != _ROOT:
            parent, token = divmod(prefix, self._vocab_size)
            tokens.append(token)
            prefix = self._spelled[parent][0]
        return Hypothesis(tuple(reversed(tokens)), score, scores)


def _add(ways: dict[int, _Ways], prefix: int, label: float, blank: float) -> None:
    """Add probability to a prefix."""
    known = ways.get(prefix)
    if known is not None:
        label, blank = _log_add(known[0], label), _log_add(known[1], blank)
    ways[prefix] = (label, blank)


def _log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b)); numpy's is slow on single numbers."""
    if a < b:
        a, b = b, a
    return a if b == _IMPOSSIBLE else a + math.log1p(math.exp(b - a))
