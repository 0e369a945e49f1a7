"""The hypotheses of a block-synchronous search, and how they grow by a token.

Shapes: H hypotheses, U tokens so far with <sos>, V tokens of the vocabulary, C candidates a
hypothesis, K beam size, T encoder frames, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from ..errors import InputError
from ..roles import GrowingScorer, Scorer
from ..types import Array
from .decoding import Decoding
from .hypothesis import Hypothesis
from .pre_beam import pre_beam, pre_beam_size, top
from .streaming_ctc import GrowingCTC, Prefixes, PrefixScores
from .streaming_settings import Streaming

__all__ = ["Beam", "Grower", "Grown"]


@attrs.frozen
class Beam:
    """Hypotheses that still grow, best first. Never written to, so that a search can go back.

    Attributes:
        tokens: (H, U).
        parents: (H,), which hypothesis of the step before each prolongs.
        scores: (H,).
        parts: scorer name -> (H,), before weighting.
        states: scorer name -> what it returned for the step before.
        prefixes: for CTC.
    """

    tokens: Array
    parents: Array
    scores: Array
    parts: Mapping[str, Array]
    states: Mapping[str, Any]
    prefixes: Prefixes | None

    def hypothesis(self, row: int, *, ended: bool = True) -> Hypothesis:
        """One of them as a result; its last token is <eos> and not part of it, if `ended`."""
        tokens = self.tokens[row, 1:-1] if ended else self.tokens[row, 1:]
        return Hypothesis(
            tuple(tokens.tolist()),
            float(self.scores[row]),
            {name: float(part[row]) for name, part in self.parts.items()},
        )


@attrs.frozen
class Grown:
    """The K best prolongations; `beam` still lacks CTC's state, which `kept` makes."""

    beam: Beam
    columns: Array
    ctc: GrowingCTC | None
    scored: PrefixScores | None

    def kept(self, rows: Array) -> Beam:
        """Those of some rows, ready to grow."""
        beam, prefixes = self.beam, None
        if self.ctc is not None and self.scored is not None:
            prefixes = self.ctc.select(self.scored, beam.parents[rows], self.columns[rows])
        return attrs.evolve(
            beam,
            tokens=beam.tokens[rows],
            parents=beam.parents[rows],
            scores=beam.scores[rows],
            parts={name: part[rows] for name, part in beam.parts.items()},
            prefixes=prefixes,
        )


class Grower:
    """`BatchBeamSearch.search` for one utterance whose encoder output still grows.

    Args:
        scorers: `decoder`, `lm`, ...; those of weight 0 are left out.
        ctc: CTC's scores; None leaves CTC out.
        decoding: the options.
        streaming: more options.
        vocab_size: V.
        sos: token every hypothesis starts from.
        eos: token that ends a hypothesis.

    Raises:
        InputError: a decoder cannot take more encoder output than it started with.
    """

    def __init__(
        self,
        scorers: Mapping[str, Scorer],
        ctc: GrowingCTC | None,
        decoding: Decoding,
        streaming: Streaming,
        *,
        vocab_size: int,
        sos: int,
        eos: int,
        blank: int,
    ) -> None:
        self._weights = decoding.weights
        self._scorers = {k: v for k, v in scorers.items() if self._weights[k] != 0}
        self._growing = {k: v for k, v in self._scorers.items() if hasattr(v, "extend")}
        if "decoder" in self._scorers and "decoder" not in self._growing:
            raise InputError("this model's decoder cannot stream: recognise whole recordings")
        self._ctc, self._beam_size, self._sos = ctc, decoding.beam_size, sos
        self._eos, self._blank, self._vocab_size = eos, blank, vocab_size
        self._frames_limit = streaming.encoded_feat_length_limit
        self._text_limit = streaming.decoder_text_length_limit
        wanted = ctc is not None and decoding.ctc_weight < 1 and self._scorers
        self._pre_beam = pre_beam_size(decoding.beam_size, vocab_size) if wanted else None
        self._fresh: dict[str, Any] = {}

    def start(self, encoder_out: Array) -> Beam:
        """The empty hypothesis over (T, D) encoder output."""
        encoder_out = encoder_out[-self._frames_limit :]
        lengths = np.array([len(encoder_out)], np.int64)
        states = {k: v.start(encoder_out[None], lengths) for k, v in self._scorers.items()}
        self._fresh = {k: states[k] for k in self._growing}
        names = [*self._scorers, *(["ctc"] if self._ctc else [])]
        if self._weights["length_bonus"] != 0:
            names.append("length_bonus")
        zeros = np.zeros(1)
        return Beam(
            np.full((1, 1), self._sos, np.int64),
            np.zeros(1, np.int64),
            zeros,
            dict.fromkeys(names, zeros),
            states,
            self._ctc.start() if self._ctc else None,
        )

    def extend(self, beam: Beam, encoder_out: Array) -> Beam:
        """The same hypotheses over (T', D) more encoder output (`BatchBeamSearchOnline.extend`)."""
        limit, keep = self._frames_limit, None
        if limit:
            encoder_out, keep = encoder_out[-limit:], max(0, limit - len(encoder_out))
        more = encoder_out[None]
        self._fresh = {k: self._grow_memory(k, s, more, keep) for k, s in self._fresh.items()}
        states = {
            k: self._grow_memory(k, s, more, keep) if k in self._growing else s
            for k, s in beam.states.items()
        }
        prefixes = beam.prefixes
        if self._ctc is not None and prefixes is not None:
            prefixes = self._ctc.grown(prefixes)
        return attrs.evolve(beam, states=states, prefixes=prefixes)

    def _grow_memory(self, name: str, state: Any, more: Array, keep: int | None) -> Any:
        scorer: Any = self._growing[name]
        growing: GrowingScorer = scorer
        return growing.extend(state, more, keep)

    def grow(self, beam: Beam) -> Grown:
        """The K best ways to go on by a token, best first."""
        full, states = self._score(beam)
        weighted = np.zeros((len(beam.scores), self._vocab_size), np.float32)
        for name, log_probs in full.items():
            weighted += np.float32(self._weights[name]) * log_probs
        ids = self._candidates(weighted)
        totals = weighted if ids is None else np.take_along_axis(weighted, ids, axis=1)
        totals = totals + beam.scores[:, None] + self._weights["length_bonus"]
        scored = None
        if self._ctc is not None and beam.prefixes is not None:
            scored = self._ctc.score(beam.prefixes, beam.tokens[:, -1], ids)
            totals += self._weights["ctc"] * scored.scores
        return self._best(beam, states, full, ids, totals, scored)

    def _best(
        self,
        beam: Beam,
        states: Mapping[str, Any],
        full: Mapping[str, Array],
        ids: Array | None,
        totals: Array,
        scored: PrefixScores | None,
    ) -> Grown:
        flat = totals.ravel()
        best = top(flat, self._beam_size)
        parents, columns = np.divmod(best, totals.shape[1])
        tokens = columns if ids is None else ids[parents, columns]
        parts = {name: part[parents] for name, part in beam.parts.items()}
        for name, log_probs in full.items():
            parts[name] = parts[name] + log_probs[parents, tokens]
        if scored is not None:
            parts["ctc"] = parts["ctc"] + scored.scores[parents, columns]
        if "length_bonus" in parts:
            parts["length_bonus"] = parts["length_bonus"] + 1.0
        grown = Beam(
            np.concatenate((beam.tokens[parents], tokens[:, None]), axis=1),
            parents,
            flat[best].astype(np.float64),
            parts,
            states,
            None,
        )
        return Grown(grown, columns, self._ctc, scored)

    def _score(self, beam: Beam) -> tuple[dict[str, Array], dict[str, Any]]:
        """Every next token by every full scorer: (H, V) each; and their new states."""
        full, states = {}, {}
        for name, scorer in self._scorers.items():
            if name in self._growing and 0 < self._text_limit < beam.tokens.shape[1]:
                log_probs, states[name] = self._replay(name, scorer, beam.tokens)
            else:
                log_probs, states[name] = scorer.score(
                    beam.tokens[None], beam.states[name], beam.parents[None]
                )
            full[name] = log_probs[0]
        return full, states

    def _replay(self, name: str, scorer: Scorer, tokens: Array) -> tuple[Array, Any]:
        """Score the last tokens alone, as if they were all (`score_full` of the online search)."""
        tokens = tokens[None, :, -self._text_limit :].copy()
        tokens[..., 0] = self._sos
        state, log_probs = self._fresh[name], tokens
        for size in range(1, tokens.shape[2] + 1):
            # the first step starts from the one empty hypothesis, later ones from themselves
            parents = np.arange(tokens.shape[1]) if size > 1 else np.zeros(tokens.shape[1], int)
            log_probs, state = scorer.score(tokens[..., :size], state, parents[None])
        return log_probs, state

    def _candidates(self, weighted: Array) -> Array | None:
        """The pre-beam (H, C) and <eos>, which CTC always scores; None for all tokens."""
        if self._pre_beam is None:
            return None
        return pre_beam(weighted, self._pre_beam, eos=self._eos, blank=self._blank)
