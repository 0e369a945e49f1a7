"""Label-synchronous beam search over a batch of utterances.

Shapes: B utterances, H hypotheses an utterance, U tokens so far with <sos>, V tokens of the
vocabulary, C candidates a hypothesis, K beam size, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from ..errors import InputError
from ..roles import Scorer
from ..types import Array
from .ctc_prefix import CTCPrefixScorer
from .decoding import Decoding
from .ended import Ended
from .hypothesis import Hypothesis
from .pre_beam import pre_beam, pre_beam_size, top

__all__ = ["BeamSearch"]

# While more than this share of a batch still grows, moving it together costs more than it saves.
_BUSY = 0.75


@attrs.define
class _Running:
    """Hypotheses that still grow; slots beyond `counts` are fillers with score -inf.

    `utterances` (B,) are their places in the batch that the search was given.
    """

    utterances: Array
    tokens: Array  # (B, H, U)
    parents: Array  # (B, H)
    scores: Array  # (B, H)
    parts: dict[str, Array]  # scorer name -> (B, H)
    counts: Array  # (B,)
    states: dict[str, Any]
    ctc: CTCPrefixScorer | None


@attrs.frozen
class _Candidates:
    """What the running hypotheses could become."""

    ids: Array | None  # (B, H, C); None for all V tokens
    totals: Array  # (B, H, C)
    full: Mapping[str, Array]  # (B, H, V)
    ctc: Array | None  # (B, H, C)


class BeamSearch:
    """ESPnet's `BatchBeamSearch` (espnet2/legacy/nets/batch_beam_search.py) in numpy.

    Every utterance of a batch gets the answer it gets alone.
    """

    def __init__(
        self,
        scorers: Mapping[str, Scorer],
        *,
        vocab_size: int,
        sos: int,
        eos: int,
        decoding: Decoding,
        blank: int = 0,
    ) -> None:
        """Prepare a search.

        Args:
            scorers: `decoder`, `lm` or `ngram` -> what scores every next token. One whose
                weight in `decoding` is 0 is left out.
            vocab_size: number of tokens V.
            sos: token every hypothesis starts from.
            eos: token that ends a hypothesis.
            decoding: the options.
            blank: CTC's blank.

        Raises:
            InputError: a scorer has no weight in `decoding`, or nothing is left that scores.
        """
        weights = decoding.weights
        for name in scorers:
            if name not in weights:
                known = ", ".join(weights)
                raise InputError(f"scorer {name!r} has no decoding weight: name it one of {known}")
        self._weights = weights
        self._scorers = {k: v for k, v in scorers.items() if weights[k] != 0}
        self._vocab_size, self._sos, self._eos, self._blank = vocab_size, sos, eos, blank
        self._decoding = decoding
        wanted = decoding.ctc_weight not in (0.0, 1.0) and self._scorers
        self._pre_beam = pre_beam_size(decoding.beam_size, vocab_size) if wanted else None

    def __call__(
        self, encoder_out: Array, lengths: Array, ctc_log_probs: Array | None = None
    ) -> list[list[Hypothesis]]:
        """Decode a batch.

        Args:
            encoder_out: (B, T, D) encoder output.
            lengths: (B,) valid frames.
            ctc_log_probs: (B, T, V); needed unless `ctc_weight` is 0.

        Returns:
            For each utterance its n-best list, best first. It is empty where no hypothesis
            ended, which only a `minlenratio` beyond reach can cause.

        Raises:
            InputError: the weights ask for CTC and there is none, or leave nothing to score.
        """
        if self._decoding.ctc_weight > 0 and ctc_log_probs is None:
            raise InputError(
                f"ctc_weight={self._decoding.ctc_weight} needs CTC, which this model lacks: "
                "set ctc_weight to 0"
            )
        if not self._scorers and self._decoding.ctc_weight == 0:
            raise InputError("ctc_weight=0 leaves only the decoder, which this model lacks: set 1")
        return self._decode(encoder_out, lengths, ctc_log_probs, self._decoding)

    def _decode(
        self, encoder_out: Array, lengths: Array, ctc_log_probs: Array | None, decoding: Decoding
    ) -> list[list[Hypothesis]]:
        """Search, and again with a smaller minlenratio where nothing ended (`_retry_empty`)."""
        ended = self._search(encoder_out, lengths, ctc_log_probs, decoding)
        results = [e.best(decoding.nbest, decoding.normalize_length) for e in ended]
        empty = [b for b, result in enumerate(results) if not result]
        if empty and decoding.minlenratio >= 0.1:
            less = attrs.evolve(decoding, minlenratio=max(0.0, decoding.minlenratio - 0.1))
            log_probs = None if ctc_log_probs is None else ctc_log_probs[empty]
            again = self._decode(encoder_out[empty], lengths[empty], log_probs, less)
            for b, result in zip(empty, again, strict=True):
                results[b] = result
        return results

    def _search(
        self, encoder_out: Array, lengths: Array, ctc_log_probs: Array | None, decoding: Decoding
    ) -> list[Ended]:
        """One pass over the batch (`BatchBeamSearch._search_loop`)."""
        ended = [Ended() for _ in lengths]
        longest = np.array([decoding.longest(int(n)) for n in lengths])
        shortest = np.array([decoding.shortest(int(n)) for n in lengths])
        running = self._start(encoder_out, lengths, ctc_log_probs, longest > 0)
        for step in range(int(longest.max(initial=0))):
            candidates = self._score(running)
            grown, columns = self._prune(running, candidates)
            here = running.utterances
            own = [ended[u] for u in here]
            last = np.equal(step, longest[here] - 1)
            self._collect(grown, own, last, np.less_equal(shortest[here], step))
            alive = (grown.scores > -np.inf) & (grown.tokens[..., -1] != self._eos)
            alive &= ~last[:, None]
            if decoding.maxlenratio == 0:
                alive &= ~np.array([e.is_final(step) for e in own])[:, None]
            if not alive.any():
                break
            running = self._without_done(_keep(grown, columns, alive))
        return ended

    def _without_done(self, running: _Running) -> _Running:
        """Only the utterances that still grow, once many do not and every scorer can tell apart."""
        busy = np.flatnonzero(running.counts)
        scorers: Mapping[str, Any] = self._scorers
        movable = all(hasattr(scorer, "keep") for scorer in scorers.values())
        if not movable or len(busy) > _BUSY * len(running.counts):
            return running
        return attrs.evolve(
            running,
            utterances=running.utterances[busy],
            tokens=running.tokens[busy],
            parents=running.parents[busy],
            scores=running.scores[busy],
            parts={name: part[busy] for name, part in running.parts.items()},
            counts=running.counts[busy],
            states={k: scorers[k].keep(v, busy) for k, v in running.states.items()},
            ctc=None if running.ctc is None else running.ctc.keep(busy),
        )

    def _start(
        self, encoder_out: Array, lengths: Array, ctc_log_probs: Array | None, wanted: Array
    ) -> _Running:
        """One empty hypothesis for every utterance."""
        shape = (len(lengths), 1)
        names = list(self._scorers)
        ctc = None
        if self._decoding.ctc_weight > 0 and ctc_log_probs is not None:
            ctc = CTCPrefixScorer(
                ctc_log_probs,
                lengths,
                blank=self._blank,
                eos=self._eos,
                margin=self._decoding.ctc_window_margin,
            )
            names.append("ctc")
        if self._decoding.penalty != 0:
            names.append("length_bonus")
        return _Running(
            utterances=np.arange(len(lengths)),
            tokens=np.full((*shape, 1), self._sos, dtype=np.int64),
            parents=np.zeros(shape, dtype=np.int64),
            scores=np.where(wanted[:, None], 0.0, -np.inf),
            parts={name: np.zeros(shape) for name in names},
            counts=wanted.astype(np.int64),
            states={k: v.start(encoder_out, lengths) for k, v in self._scorers.items()},
            ctc=ctc,
        )

    def _score(self, running: _Running) -> _Candidates:
        """Score the next tokens: in full, then CTC on those that look best (pre-beam)."""
        full: dict[str, Array] = {}
        for name, scorer in self._scorers.items():
            full[name], running.states[name] = scorer.score(
                running.tokens, running.states[name], running.parents
            )
        weighted = self._weigh(full, (*running.scores.shape, self._vocab_size))
        base = running.scores[..., None] + self._decoding.penalty
        if running.ctc is None:
            return _Candidates(None, weighted + base.astype(weighted.dtype), full, None)
        ids = self._candidate_ids(weighted)
        totals = base + (weighted if ids is None else np.take_along_axis(weighted, ids, axis=-1))
        ctc = self._score_ctc(running, ids, totals.shape)
        totals += self._weights["ctc"] * ctc
        return _Candidates(ids, totals, full, ctc)

    def _weigh(self, full: Mapping[str, Array], shape: tuple[int, ...]) -> Array:
        """Weighted sum (B, H, V) of the full scorers, 0 without any."""
        parts = [np.float32(self._weights[name]) * scores for name, scores in full.items()]
        return sum(parts[1:], parts[0]) if parts else np.zeros(shape, dtype=np.float32)

    def _candidate_ids(self, weighted: Array) -> Array | None:
        """The pre-beam (B, H, C) and <eos>, which CTC always scores; None for all tokens."""
        if self._pre_beam is None:
            return None
        return pre_beam(weighted, self._pre_beam, eos=self._eos, blank=self._blank)

    def _score_ctc(self, running: _Running, ids: Array | None, shape: tuple[int, ...]) -> Array:
        """CTC prefix scores (B, H, C); fillers get 0."""
        scores = np.zeros(shape)
        assert running.ctc is not None
        for b, n in enumerate(running.counts):
            if n:
                mine = None if ids is None else ids[b, :n]
                scores[b, :n] = running.ctc.score(b, running.tokens[b, :n, -1], mine)
        return scores

    def _prune(self, running: _Running, candidates: _Candidates) -> tuple[_Running, Array]:
        """The K best of each utterance, fewer where fewer are possible, and their columns."""
        n_utterances, _, width = candidates.totals.shape
        flat = candidates.totals.reshape(n_utterances, -1)
        best = top(flat, self._decoding.beam_size)
        parents, columns = np.divmod(best, width)
        rows = np.arange(n_utterances)[:, None]
        ids = candidates.ids
        tokens = columns if ids is None else ids[rows, parents, columns]
        parts = {name: part[rows, parents] for name, part in running.parts.items()}
        for name, log_probs in candidates.full.items():
            parts[name] += log_probs[rows, parents, tokens]
        if candidates.ctc is not None:
            parts["ctc"] += candidates.ctc[rows, parents, columns]
        if "length_bonus" in parts:
            parts["length_bonus"] += 1.0
        grown = attrs.evolve(
            running,
            tokens=np.concatenate((running.tokens[rows, parents], tokens[..., None]), axis=-1),
            parents=parents,
            scores=flat[rows, best].astype(np.float64),
            parts=parts,
        )
        return grown, columns

    def _collect(self, grown: _Running, ended: list[Ended], last: Array, long: Array) -> None:
        """Put aside what ended (`BatchBeamSearch.post_process`).

        At an utterance's last step ESPnet appends <eos> to every hypothesis, even to one that
        has just produced it, which then counts as a token.
        """
        ends = (grown.tokens[..., -1] == self._eos) | last[:, None]
        ends &= (grown.scores > -np.inf) & long[:, None]
        for b, h in zip(*np.nonzero(ends), strict=True):
            tokens = grown.tokens[b, h, 1:] if last[b] else grown.tokens[b, h, 1:-1]
            ended[b].add(
                Hypothesis(
                    tokens=tuple(tokens.tolist()),
                    score=float(grown.scores[b, h]),
                    scores={name: float(part[b, h]) for name, part in grown.parts.items()},
                )
            )


def _keep(grown: _Running, columns: Array, alive: Array) -> _Running:
    """Drop what ended; utterances with fewer survivors than the others get fillers."""
    counts = alive.sum(axis=1)
    order = np.argsort(~alive, axis=1, kind="stable")[:, : counts.max()]
    rows = np.arange(len(order))[:, None]
    parents = grown.parents[rows, order]
    if grown.ctc is not None:
        kept = columns[rows, order]
        for b, n in enumerate(counts):
            if n:
                grown.ctc.select(b, parents[b, :n], kept[b, :n])
    return attrs.evolve(
        grown,
        tokens=grown.tokens[rows, order],
        parents=parents,
        scores=np.where(alive[rows, order], grown.scores[rows, order], -np.inf),
        parts={name: part[rows, order] for name, part in grown.parts.items()},
        counts=counts,
    )
