"""Mask-CTC decoding: greedy CTC, its unsure tokens masked, masks filled in round by round.

Mirrors `MaskCTCInference` in espnet2.asr.maskctc_model (Higuchi et al. 2020, section 3.2).
Shapes: B utterances, T frames, U tokens, V tokens of the vocabulary, the mask included.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs
import numpy as np

from espnet_onnx.parts.hypothesis import Hypothesis
from espnet_onnx.parts.transcript import Transcript
from espnet_onnx.roles import CTC, Encoded
from espnet_onnx.types import Array

from .settings import MaskDecoding

__all__ = ["MaskPredict", "Masked"]


class Masked(Protocol):
    """What `MaskPredict` expects of a masked decoder; see `decoder_runtime.MaskedDecoder`."""

    def start(self, encoder_out: Array, lengths: Array) -> Mapping[str, Array]:
        """The memory of a batch."""

    def __call__(self, tokens: Array, lengths: Array, memory: Mapping[str, Array]) -> Array:
        """(B, U) tokens, lengths (B,) and their memory -> (B, U, V) scores."""


@attrs.define
class MaskPredict:
    """The search of a Mask-CTC model.

    Attributes:
        mask: id of the mask, the last token.
        blank: id of CTC's blank.
    """

    ctc: CTC
    decoder: Masked
    mask: int
    blank: int

    @property
    def sos(self) -> int:
        """What ESPnet puts before a result: the mask."""
        return self.mask

    @property
    def eos(self) -> int:
        """What ESPnet puts behind a result: the mask."""
        return self.mask

    def check(self, settings: MaskDecoding) -> None:
        """Every model can follow all settings."""

    def __call__(self, encoded: Encoded, settings: MaskDecoding) -> list[Transcript]:
        """Decode a batch of encoder output; each utterance keeps its own number of rounds."""
        log_probs = self.ctc(encoded.out)
        heard = [log_probs[b, :frames] for b, frames in enumerate(encoded.lengths)]
        drafts = [_Draft.of(utterance, settings, self.mask, self.blank) for utterance in heard]
        if any(draft.rounds for draft in drafts):
            self._fill(drafts, encoded)
        return [
            # No frame says the mask, should a result hold one.
            Transcript(
                [draft.hypothesis],
                np.pad(utterance, ((0, 0), (0, 1)), constant_values=-np.inf),
                self.blank,
            )
            for draft, utterance in zip(drafts, heard, strict=True)
        ]

    def _fill(self, drafts: Sequence[_Draft], encoded: Encoded) -> None:
        memory = self.decoder.start(encoded.out, encoded.lengths)
        lengths = np.array([len(draft.tokens) for draft in drafts], np.int64)
        tokens = np.full((len(drafts), lengths.max()), self.mask, np.int64)
        for turn in range(max(draft.rounds for draft in drafts)):
            for row, draft in zip(tokens, drafts, strict=True):
                row[: len(draft.tokens)] = draft.tokens
            scores = self.decoder(tokens, lengths, memory)
            for draft, scored in zip(drafts, scores, strict=True):
                if turn < draft.rounds:
                    last = turn == draft.rounds - 1
                    draft.fill(scored[: len(draft.tokens)], None if last else draft.share)


@attrs.define
class _Draft:
    """An utterance's tokens so far.

    Attributes:
        tokens: (U,), with masks.
        rounds: in how many rounds its masks are filled in.
        share: how many a round; the last round fills in the rest.
        scores: log probability of what CTC and what the decoder said.
    """

    tokens: Array
    mask: int
    rounds: int
    share: int
    scores: dict[str, float]

    @classmethod
    def of(cls, log_probs: Array, settings: MaskDecoding, mask: int, blank: int) -> _Draft:
        """Greedy CTC on (T, V - 1); a token is as sure as the surest of its frames."""
        labels, best = log_probs.argmax(-1), log_probs.max(-1)
        starts = np.flatnonzero(np.diff(labels, prepend=-1))
        peaks = np.maximum.reduceat(best, starts)
        said = labels[starts] != blank
        tokens, peaks = labels[starts][said], peaks[said]
        # ESPnet compares float32 probabilities with a float64 threshold.
        sure = np.exp(peaks).astype(np.float64) >= settings.threshold_probability
        masks = int(np.count_nonzero(~sure))
        wanted = settings.n_iterations
        rounds = wanted if 0 < wanted <= masks else masks
        scores = {"ctc": float(peaks[sure].sum()), "mlm": 0.0}
        return cls(np.where(sure, tokens, mask), mask, rounds, masks // max(rounds, 1), scores)

    def fill(self, scores: Array, count: int | None) -> None:
        """Put the best tokens in the `count` masks with the best scores (U, V), or in all."""
        places = np.flatnonzero(self.tokens == self.mask)
        best, tops = scores[places].argmax(-1), scores[places].max(-1)
        chosen = np.argsort(-tops, kind="stable")[:count]
        self.tokens[places[chosen]] = best[chosen]
        self.scores["mlm"] += sum(_log_prob(scores[place]) for place in places[chosen])

    @property
    def hypothesis(self) -> Hypothesis:
        """What the tokens are now."""
        return Hypothesis(tuple(self.tokens.tolist()), sum(self.scores.values()), self.scores)


def _log_prob(scores: Array) -> float:
    """Log probability of the best of (V,) scores."""
    return -math.log(float(np.exp(scores - scores.max(), dtype=np.float64).sum()))
