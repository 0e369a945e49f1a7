"""Search over an encoder's output, and what it found as a Recognition.

Shapes: B utterances, T frames, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs

from ..errors import InputError
from ..roles import CTC, Encoded, Scorer
from ..types import Array
from .alignment import Alignment, align, confidences, seconds
from .audio import Audio
from .ctc_beam import ctc_beam
from .ctc_greedy import ctc_greedy
from .decoding import Decoding
from .hypothesis import Hypothesis
from .option_checks import needs
from .rescoring import rescore
from .result import Recognition, time_tokens, time_words
from .search import BeamSearch
from .streaming_search import BlockSearch
from .streaming_settings import Streaming
from .tokenizer import Tokenizer

__all__ = ["Searcher", "Transcript"]


@attrs.frozen
class Transcript:
    """The n-best hypotheses of one utterance, and what times them.

    Attributes:
        hypotheses: n-best, the best first.
        log_probs: (T, V) CTC log probabilities, None without CTC.
        intermediate: block number -> ids that CTC hears in that block's output.
        frames: how many the encoder made of the utterance, where hypotheses know those of their
            tokens and there is no CTC; else None. Not whole where silence was put behind it.
    """

    hypotheses: Sequence[Hypothesis]
    log_probs: Array | None
    blank: int
    intermediate: Mapping[int, Sequence[int]] = attrs.field(factory=dict)
    frames: float | None = None

    def recognition(self, tokenizer: Tokenizer, audio: Audio) -> Recognition:
        """The result for one recording, its tokens timed by the search, or by CTC alignment."""
        best = self.untimed(tokenizer)
        times = self._times(best, tokenizer, audio.duration)
        notes = (*audio.notes, *best.notes)
        return attrs.evolve(best, notes=notes, duration=audio.duration, **times)

    def untimed(self, tokenizer: Tokenizer) -> Recognition:
        """The result for what has no duration, such as a text."""
        nbest = tuple(self._plain(hypothesis, tokenizer) for hypothesis in self.hypotheses)
        if not nbest:
            notes = ("no hypothesis reached minlenratio",)
            return Recognition("", score=float("-inf"), notes=notes)
        inter = {n: tuple(tokenizer.ids2tokens(ids)) for n, ids in self.intermediate.items()}
        return attrs.evolve(nbest[0], nbest=nbest, intermediate=inter)

    def without(self, *tokens: int) -> Self:
        """The same without some tokens, which a hypothesis may hold where a search cut it off."""
        kept = [
            attrs.evolve(h, tokens=tuple(t for t in h.tokens if t not in tokens))
            for h in self.hypotheses
        ]
        return attrs.evolve(self, hypotheses=kept)

    def _plain(self, hypothesis: Hypothesis, tokenizer: Tokenizer) -> Recognition:
        # `Speech2Text._hyps_to_results` drops id 0, whatever the blank's id is.
        ids = tuple(i for i in hypothesis.tokens if i != 0)
        tokens = tuple(tokenizer.ids2tokens(ids))
        text = tokenizer.tokens2text(tokens)
        return Recognition(text, tokens, ids, float(hypothesis.score), dict(hypothesis.scores))

    def _times(self, best: Recognition, tokenizer: Tokenizer, duration: float) -> dict[str, Any]:
        if not best.ids:
            return {}
        if self.log_probs is not None:
            alignment = align(self.log_probs, best.ids, self.blank)
            spans = seconds(alignment, duration / len(self.log_probs), duration)
            sure = confidences(self.log_probs, best.ids, alignment)
            tokens = time_tokens(best.tokens, spans, sure)
        elif self.frames and len(self.hypotheses[0].frames) == len(best.ids):
            starts = self.hypotheses[0].frames
            said = Alignment(list(starts), [start + 1 for start in starts], best.score)
            spans = seconds(said, duration / self.frames, duration)
            tokens = time_tokens(best.tokens, spans, [None] * len(spans))
        else:
            return {}
        groups = tokenizer.words(best.tokens)
        return {
            "token_times": tokens,
            "words": time_words(tokens, groups, tokenizer.tokens2text),
        }


@attrs.define
class Searcher:
    """Finds the best token sequences for encoder output.

    Attributes:
        scorers: `decoder`, `lm`, `ngram`, those that there are.
    """

    scorers: Mapping[str, Scorer]
    ctc: CTC | None
    sos: int
    eos: int
    blank: int
    vocab_size: int

    def check(self, settings: Decoding) -> None:
        """Refuse settings that this model cannot follow.

        Raises:
            InputError: says what the model lacks.
        """
        if self.ctc is None and (settings.ctc_weight > 0 or settings.search != "beam"):
            raise InputError("this model has no CTC: use ctc_weight=0 and search=beam")
        if "decoder" not in self.scorers and settings.search == "beam" and settings.ctc_weight < 1:
            raise InputError("this model has no attention decoder: use ctc_weight=1")
        for name in ("lm_weight", "ngram_weight", "rescoring_weight"):
            self._check_weight(name, getattr(settings, name))
        if settings.rescoring_weight != 0 and settings.lm_weight != 0:
            raise InputError(
                f"rescoring_weight={settings.rescoring_weight} counts the language model twice, as "
                f"the search has it: set lm_weight=0, or rescoring_weight=0"
            )

    def _check_weight(self, name: str, weight: float) -> None:
        """Refuse a weight that somebody set for a model that is not there."""
        scorer = "ngram" if name == "ngram_weight" else "lm"
        unset = (0.0, getattr(Decoding(), name))
        if scorer not in self.scorers and weight not in unset:
            raise needs(scorer, name, weight)

    def __call__(self, encoded: Encoded, settings: Decoding) -> list[Transcript]:
        """Decode a batch of encoder output."""
        log_probs = None if self.ctc is None else self.ctc(encoded.out)
        nbests = self._rescored(self._nbests(encoded, log_probs, settings), settings)
        inter = self._intermediate(encoded)
        return [
            Transcript(
                nbest[: settings.nbest],
                None if log_probs is None else log_probs[b, : encoded.lengths[b]],
                self.blank,
                {block: heard[b] for block, heard in inter.items()},
            )
            for b, nbest in enumerate(nbests)
        ]

    def stream(self, settings: Decoding, streaming: Streaming) -> BlockSearch:
        """Begin to decode encoder output that comes in."""
        return BlockSearch(
            self.scorers,
            self.ctc,
            settings,
            streaming,
            vocab_size=self.vocab_size,
            sos=self.sos,
            eos=self.eos,
            blank=self.blank,
        )

    def _intermediate(self, encoded: Encoded) -> dict[int, list[list[int]]]:
        """Greedy CTC on the outputs of inner blocks (`Speech2Text._decode_interctc`)."""
        if self.ctc is None:
            return {}
        ends = (self.sos, self.eos)
        return {
            block: [
                [i for i in heard.tokens if i not in ends]
                for heard in ctc_greedy(self.ctc(out), encoded.lengths, self.blank)
            ]
            for block, out in encoded.inter.items()
        }

    def _nbests(
        self, encoded: Encoded, log_probs: Array | None, settings: Decoding
    ) -> list[list[Hypothesis]]:
        if settings.search != "beam":
            assert log_probs is not None
            return self._by_ctc(log_probs, encoded.lengths, settings)
        search = BeamSearch(
            self.scorers,
            vocab_size=self.vocab_size,
            sos=self.sos,
            eos=self.eos,
            decoding=settings,
            blank=self.blank,
        )
        return search(encoded.out, encoded.lengths, log_probs)

    def _rescored(
        self, nbests: list[list[Hypothesis]], settings: Decoding
    ) -> list[list[Hypothesis]]:
        weight, lm = settings.rescoring_weight, self.scorers.get("lm")
        if weight == 0 or lm is None:
            return nbests
        return [rescore(nbest, lm, weight, sos=self.sos, eos=self.eos) for nbest in nbests]

    def _by_ctc(
        self, log_probs: Array, lengths: Array, settings: Decoding
    ) -> list[list[Hypothesis]]:
        if settings.search == "greedy":
            return [[best] for best in ctc_greedy(log_probs, lengths, self.blank)]
        return ctc_beam(log_probs, lengths, settings, self.blank)
