"""CTC prefix scores for a label-synchronous beam search, windowed.

Shapes: B utterances, T frames, V tokens, H hypotheses, C candidates a hypothesis, W frames of the
window, U distinct candidates, K hypotheses that survive. Log probabilities throughout; an
impossible event is -inf inside and `LOG_ZERO` in scores.

For a prefix g, phi[j] is log p(the first j frames spell g). That one array is the whole state of
a hypothesis: staying silent through frame j means phi[j] plus that frame's blank, so the share of
phi[j + 1] that ends in blank need not be kept beside it.
"""

from __future__ import annotations

import copy

import numpy as np

from ..types import Array
from .ctc_sums import FLOOR, find, log_matmul, log_sum, put

__all__ = ["LOG_ZERO", "CTCPrefixScorer"]

LOG_ZERO = -1e10
# Frames with a label in them that the window holds beyond the frame the prefixes have reached.
_WINDOW_LABELS = 5


class CTCPrefixScorer:
    """Scores every next token by the probability that CTC continues the prefix with it.

    Equal to ESPnet 202611's `CTCPrefixScoreTH` (espnet2/legacy/nets/ctc_prefix_score.py) for each
    utterance decoded alone, also where several are decoded together: every utterance keeps its
    own window. The forward recursion runs only for the hypotheses that survive, since the score
    of a candidate needs nothing but phi of its prefix.
    """

    def __init__(
        self, log_probs: Array, lengths: Array, *, blank: int, eos: int, margin: int = 0
    ) -> None:
        """Take the posteriors of a batch; every utterance starts from the empty prefix.

        Args:
            log_probs: (B, T, V) log probabilities.
            lengths: (B,) valid frames.
            blank: id of the blank.
            eos: id that ends a hypothesis; its score is that of the prefix being everything.
            margin: half-width of the window in frames; 0 walks the whole utterance, exact.
        """
        self._utterances = [
            _Prefixes(log_probs[b, :n], blank, eos, margin) for b, n in enumerate(lengths)
        ]

    def score(self, utterance: int, last: Array, ids: Array | None) -> Array:
        """Score the next tokens of one utterance's hypotheses.

        Args:
            utterance: which of the B.
            last: (H,) the last token of every hypothesis, anything for the empty one.
            ids: (H, C) candidates; None for all V tokens.

        Returns:
            (H, C) float64, log p of the longer prefix given the prefix; -inf for blank.
        """
        return self._utterances[utterance].score(last, ids)

    def select(self, utterance: int, parents: Array, columns: Array) -> None:
        """Keep one utterance's survivors of the last `score`.

        Args:
            utterance: which of the B.
            parents: (K,) the row of each survivor's prefix.
            columns: (K,) the column of `ids` that prolongs it.
        """
        self._utterances[utterance].select(parents, columns)

    def keep(self, utterances: Array) -> CTCPrefixScorer:
        """A scorer of some of the utterances, which take their hypotheses along."""
        kept = copy.copy(self)
        kept._utterances = [self._utterances[u] for u in utterances]  # noqa: SLF001 - of its own class
        return kept


class _Prefixes:
    """The hypotheses of one utterance."""

    def __init__(self, log_probs: Array, blank: int, eos: int, margin: int) -> None:
        self._x, self._blank, self._eos, self._margin = log_probs, blank, eos, margin
        self._frames = len(log_probs)
        self._x_blank = np.maximum(log_probs[:, blank], FLOOR, dtype=np.float64)
        self._silence = np.concatenate(([0.0], np.cumsum(self._x_blank)))
        self._phi = self._silence[None]
        self._phi_start = 0  # frame before which phi[:, 0] stands
        self._prefix = np.zeros(1)
        self._length = 0
        self._reached = (0, 1)  # of the earliest and the latest hypothesis
        self._heard = np.cumsum(log_probs.argmax(1) != blank) if margin > 0 else None
        self._probs: Array | None = None

    def score(self, last: Array, ids: Array | None) -> Array:
        """See `CTCPrefixScorer.score`."""
        self._last, self._ids = last, ids
        self._start, self._end = self._window()
        self._before = self._phi_before(self._start, self._end)
        psi = self._continue_all() if ids is None else self._continue(ids)
        self._repeat(psi)
        tail = self._silence[-1] - self._silence[self._phi_start + self._phi.shape[1] - 1]
        np.maximum(psi, LOG_ZERO, out=psi)
        put(psi, ids, self._blank, np.full(len(psi), -np.inf))
        put(psi, ids, self._eos, np.maximum(self._phi[:, -1] + tail, LOG_ZERO))
        self._psi = psi
        scores: Array = psi - self._prefix[:, None]
        return scores

    def _window(self) -> tuple[int, int]:
        """Frames [start, end) in which the next token may begin (`CTCPrefixScoreTH.__call__`)."""
        if self._heard is None:
            return min(self._length, self._frames), self._frames
        peak = self._phi.argmax(1)
        alive = self._phi[np.arange(len(peak)), peak] > -np.inf
        peak = np.where(alive, np.maximum(peak + self._phi_start - 1, 0), 0)
        f_min, f_max = self._reached
        first, latest = max(int(peak.min()), f_min), max(int(peak.max()), f_max)
        self._reached = (first, latest)
        start = min(f_max, max(first - self._margin, self._length, 1))
        return (start if self._length else 0), self._window_end(latest, self._heard)

    def _window_end(self, reached: int, heard: Array) -> int:
        """`CTCPrefixScoreTH._window_end`: through a silence up to the labels behind it."""
        end = reached + self._margin + 1
        if end >= self._frames:
            return self._frames
        labels = int(np.searchsorted(heard, heard[reached] + _WINDOW_LABELS)) + 1
        return min(max(end, labels), self._frames)

    def _phi_before(self, start: int, end: int) -> Array:
        """phi (H, W) before each frame of the window; beyond the last one only silence follows."""
        known_end = self._phi_start + self._phi.shape[1]
        known = self._phi[:, start - self._phi_start : end - self._phi_start]
        if end <= known_end:
            return known
        silence = self._silence[known_end:end] - self._silence[known_end - 1]
        return np.concatenate((known, self._phi[:, -1:] + silence), axis=1)

    def _ending_in_blank(self, rows: Array) -> Array:
        """The share (N, W) of phi before each frame of the window in which blank came last."""
        first = self._start - self._phi_start
        earlier = self._phi[rows, first - 1] if first > 0 else np.full(len(rows), -np.inf)
        shifted = np.concatenate((earlier[:, None], self._before[rows, :-1]), axis=1)
        shifted = shifted[:, : self._end - self._start]
        shifted += self._x_blank[self._start - 1 : self._end - 1]
        return shifted

    def _continue(self, ids: Array) -> Array:
        """log psi (H, C) of the candidates, whatever the last token is."""
        distinct, index = np.unique(ids, return_inverse=True)
        x = self._x[self._start : self._end].take(distinct, axis=1).astype(np.float64)
        log_sums = log_matmul(self._before, np.exp(x), x)
        return np.take_along_axis(log_sums, index.reshape(ids.shape), axis=1)

    def _continue_all(self) -> Array:
        """log psi (H, V) of every token, whatever the last one is."""
        if self._probs is None:
            self._probs = np.exp(self._x)
        window = slice(self._start, self._end)
        return log_matmul(self._before, self._probs[window], self._x[window])

    def _repeat(self, psi: Array) -> None:
        """Write log psi of the candidate that repeats the last token: a blank must lie between."""
        if self._length == 0:
            return
        rows, columns = find(self._ids, self._last)
        x = self._x[self._start : self._end, self._last[rows]].T
        psi[rows, columns] = log_sum(self._ending_in_blank(rows) + x)

    def select(self, parents: Array, columns: Array) -> None:
        """See `CTCPrefixScorer.select`."""
        tokens = columns if self._ids is None else self._ids[parents, columns]
        before = self._before[parents]
        repeats = np.flatnonzero(tokens == self._last[parents])
        if self._length and len(repeats):
            before[repeats] = self._ending_in_blank(parents[repeats])
        self._prefix = self._psi[parents, columns]
        self._phi = self._advance(before, tokens)
        self._phi_start = self._start
        self._length += 1

    def _advance(self, before: Array, tokens: Array) -> Array:
        """phi (K, W + 1) of the longer prefixes, by two cumulative log sums.

        With X the cumulated log probability of the token and S that of silence,
        p(first j frames, token last) = X[j] + logcumsum(before - X) and
        phi = S + logcumsum(that - S).
        """
        x = np.maximum(self._x[self._start : self._end].take(tokens, axis=1).T, FLOOR)
        cumulated = np.cumsum(x, axis=1, dtype=np.float64)
        silence = self._silence[self._start + 1 : self._end + 1]
        phi = np.full((len(tokens), len(silence) + 1), -np.inf)
        inner = before - cumulated + x
        ending = np.logaddexp.accumulate(inner, axis=1) + cumulated - silence
        np.add(np.logaddexp.accumulate(ending, axis=1), silence, out=phi[:, 1:])
        return phi
