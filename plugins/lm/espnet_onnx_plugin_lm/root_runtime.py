"""A language model on its own: what it thinks of texts.

Shapes: U tokens of a text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import numpy as np

from espnet_onnx.errors import InputError
from espnet_onnx.parts.rescoring import sequence_log_probs
from espnet_onnx.parts.tokenizer import Tokenizer
from espnet_onnx.roles import Scorer

__all__ = ["LanguageModel", "TextScore"]

BATCH = 32  # texts scored at once

Text = str | Sequence[int]


@attrs.frozen
class TextScore:
    """What a language model thinks of one text.

    Attributes:
        tokens: the text in tokens.
        log_probs: natural logarithms, one a token and one for the end behind them.
    """

    tokens: tuple[str, ...]
    log_probs: tuple[float, ...]

    @property
    def log_prob(self) -> float:
        """Of the whole text and its end."""
        return math.fsum(self.log_probs)

    @property
    def perplexity(self) -> float:
        """As `espnet2.bin.lm_calc_perplexity` writes it to utt2ppl."""
        return math.exp(-self.log_prob / len(self.log_probs))


class LanguageModel:
    """`lm("HELLO WORLD").log_prob`, equal to minus the sum of `ESPnetLanguageModel.nll`.

    Attributes:
        scorer: the model as a search calls it.
    """

    def __init__(self, scorer: Scorer, tokenizer: Tokenizer) -> None:
        self.scorer, self._tokenizer = scorer, tokenizer

    def __call__(self, text: Text) -> TextScore:
        """Score one text, or the ids of its tokens.

        Raises:
            InputError: an id is not in the vocabulary, or the model has no tokenizer for texts.
        """
        return self.scores([text])[0]

    def scores(self, texts: Sequence[Text]) -> list[TextScore]:
        """Score many texts, in the given order."""
        ids = [self._ids(text) for text in texts]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        found: list[TextScore | None] = [None] * len(ids)
        for start in range(0, len(order), BATCH):
            group = order[start : start + BATCH]
            for i, score in zip(group, self._batch([ids[i] for i in group]), strict=True):
                found[i] = score
        return [score for score in found if score is not None]

    def perplexity(self, texts: Sequence[Text]) -> float:
        """Of all texts together, as `espnet2.bin.lm_calc_perplexity` has it.

        Raises:
            InputError: there are none.
        """
        scores = self.scores(texts)
        if not scores:
            raise InputError("perplexity of no texts: give one or more")
        total = math.fsum(score.log_prob for score in scores)
        return math.exp(-total / sum(len(score.log_probs) for score in scores))

    def self_check(self) -> str | None:
        """Score a text of two tokens; a problem, or None."""
        score = self([0, 1])
        return None if np.isfinite(score.log_prob) else f"log probability {score.log_prob}"

    def _ids(self, text: Text) -> list[int]:
        if isinstance(text, str):
            return self._tokenizer.text2ids(text)
        ids = [int(i) for i in text]
        size = len(self._tokenizer.token_list)
        wrong = [i for i in ids if not 0 <= i < size]
        if wrong:
            raise InputError(f"token id {wrong[0]}: the vocabulary ends at {size - 1}")
        return ids

    def _batch(self, ids: Sequence[Sequence[int]]) -> list[TextScore]:
        end = len(self._tokenizer.token_list) - 1
        return [
            TextScore(tuple(self._tokenizer.ids2tokens(i)), tuple(map(float, p)))
            for i, p in zip(ids, sequence_log_probs(self.scorer, ids, end, end), strict=True)
        ]
