"""CTC prefix scores while the encoder output still grows.

Shapes: T frames so far, V tokens, H hypotheses, C candidates a hypothesis, W frames from the first
in which the next token may begin, K hypotheses that survive. Log probabilities throughout.
"""

from __future__ import annotations

import attrs
import numpy as np

from ..types import Array
from .ctc_prefix import LOG_ZERO
from .ctc_sums import FLOOR, find, log_matmul, log_sum, put

__all__ = ["GrowingCTC", "PrefixScores", "Prefixes"]


@attrs.frozen
class Prefixes:
    """Hypotheses as CTC sees them. Never written to, so that a search can go back to them.

    Attributes:
        ending: (H, T), log p(the first t + 1 frames spell the prefix, the last one its last token).
        silent: (H, T), the same where the last frame is blank.
        score: (H,), log p(the prefix or a longer one), by the frames there were when it was scored.
        length: tokens of every prefix.
    """

    ending: Array
    silent: Array
    score: Array
    length: int

    def first(self) -> Prefixes:
        """The first hypothesis alone."""
        return Prefixes(self.ending[:1], self.silent[:1], self.score[:1], self.length)


@attrs.frozen
class PrefixScores:
    """What candidates score, and what is needed to go on with some.

    Attributes:
        scores: (H, C), log p of the longer prefix given the prefix.
        psi: (H, C), log p of the longer prefix.
        before: (H, W), log p of the prefix in the frames before each.
        after_blank: (H, W), the same where blank came last: what a repeated token needs.
        ids: the candidates.
        last: (H,) the last token of each prefix.
        length: tokens of every prefix.
    """

    scores: Array
    psi: Array
    before: Array
    after_blank: Array
    ids: Array | None
    last: Array
    length: int


class GrowingCTC:
    """ESPnet's `CTCPrefixScoreTH` without a window, with `extend_prob` and `extend_state`.

    The frames of one utterance are appended as they come. What a hypothesis says of frames that
    came after it was scored follows Eq. (14) of https://arxiv.org/abs/2006.14941: silence, and
    only behind what ended in silence before.
    """

    def __init__(self, vocab_size: int, *, blank: int, eos: int) -> None:
        self._blank, self._eos = blank, eos
        self._x = np.zeros((0, vocab_size), np.float32)
        self._probs: Array | None = None
        self._silence = np.zeros(0)  # log p(all frames so far are blank)

    @property
    def frames(self) -> int:
        """T."""
        return len(self._x)

    def extend(self, log_probs: Array) -> None:
        """Append (T', V) frames."""
        self._x = np.concatenate((self._x, log_probs))
        self._probs = None
        blank = np.maximum(self._x[:, self._blank], FLOOR, dtype=np.float64)
        self._silence = np.cumsum(blank)

    def start(self) -> Prefixes:
        """The empty prefix."""
        ending = np.full((1, self.frames), -np.inf)
        return Prefixes(ending, self._silence[None], np.zeros(1), 0)

    def grown(self, prefixes: Prefixes) -> Prefixes:
        """The same hypotheses over the frames there are now."""
        known = prefixes.silent.shape[1]
        if known == self.frames:
            return prefixes
        if prefixes.length == 0:
            return self.start()
        more = self.frames - known
        ending = np.pad(prefixes.ending, ((0, 0), (0, more)), constant_values=-np.inf)
        silence = self._silence[known:] - self._silence[known - 1]
        silent = np.concatenate((prefixes.silent, prefixes.silent[:, -1:] + silence), axis=1)
        return attrs.evolve(prefixes, ending=ending, silent=silent)

    def score(self, prefixes: Prefixes, last: Array, ids: Array | None) -> PrefixScores:
        """Score the next tokens.

        Args:
            prefixes: H hypotheses over all frames there are.
            last: (H,) the last token of each, anything for the empty one.
            ids: (H, C) candidates; None for all V tokens.
        """
        start = min(prefixes.length, self.frames)
        phi = np.logaddexp(prefixes.ending, prefixes.silent)
        first = 0.0 if prefixes.length == 0 else -np.inf
        before, after_blank = (_shifted(x, first)[:, start:-1] for x in (phi, prefixes.silent))
        psi = self._continued(before, start, ids)
        if prefixes.length:
            rows, columns = find(ids, last)
            x = self._x[start:, last[rows]].T
            psi[rows, columns] = log_sum(after_blank[rows] + x)
        np.maximum(psi, LOG_ZERO, out=psi)
        put(psi, ids, self._eos, np.maximum(phi[:, -1], LOG_ZERO))
        if self._eos != self._blank:
            put(psi, ids, self._blank, np.full(len(psi), LOG_ZERO))
        scores = psi - prefixes.score[:, None]
        return PrefixScores(scores, psi, before, after_blank, ids, last, prefixes.length)

    def select(self, scored: PrefixScores, parents: Array, columns: Array) -> Prefixes:
        """Go on with K of the candidates: (K,) rows and columns of `scored`."""
        tokens = columns if scored.ids is None else scored.ids[parents, columns]
        before = scored.before[parents]
        if scored.length:
            repeats = tokens == scored.last[parents]
            before[repeats] = scored.after_blank[parents[repeats]]
        ending, silent = self._advance(before, tokens)
        return Prefixes(ending, silent, scored.psi[parents, columns], scored.length + 1)

    def _advance(self, before: Array, tokens: Array) -> tuple[Array, Array]:
        """`ending` and `silent` (K, T) of prefixes that grew by a token, by cumulative log sums.

        With X the cumulated log probability of the token and S that of silence, up to frame t:
        ending = X + logcumsum(before - X + x), silent = S + logcumsum(ending before - S before).
        """
        start = self.frames - before.shape[1]
        ending = np.full((len(tokens), self.frames), -np.inf)
        silent = ending.copy()
        if start == self.frames:
            return ending, silent
        x = np.maximum(self._x[start:].take(tokens, axis=1).T, FLOOR)
        cumulated = np.cumsum(x, axis=1, dtype=np.float64)
        ending[:, start:] = np.logaddexp.accumulate(before - cumulated + x, axis=1) + cumulated
        silence = self._silence[start:]
        earlier = np.logaddexp.accumulate(ending[:, start:] - silence, axis=1)[:, :-1]
        silent[:, start + 1 :] = earlier + silence[1:]
        return ending, silent

    def _continued(self, before: Array, start: int, ids: Array | None) -> Array:
        """log psi (H, C) of the candidates, whatever the last token is."""
        if ids is None:
            if self._probs is None:
                self._probs = np.exp(self._x, dtype=np.float64)
            return log_matmul(before, self._probs[start:], self._x[start:])
        distinct, index = np.unique(ids, return_inverse=True)
        x = self._x[start:].take(distinct, axis=1).astype(np.float64)
        psi = log_matmul(before, np.exp(x), x)
        return np.take_along_axis(psi, index.reshape(ids.shape), axis=1)


def _shifted(x: Array, first: float) -> Array:
    """(H, T) -> (H, T + 1) with a column in front."""
    return np.concatenate((np.full((len(x), 1), first), x), axis=1)
