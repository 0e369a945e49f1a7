"""Scores the next tokens of hypotheses with an n-gram model, through kenlm.

Shapes: B utterances, H hypotheses an utterance, U tokens so far with <sos>, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet_onnx.errors import BundleError, one_line
from espnet_onnx.types import Array

__all__ = ["NgramScorer"]

# Scores of as many histories are kept: 5,000 tokens each are 80 MB.
KEPT = 4096


class NgramScorer:
    """Role `ngram`; espnet2's `NgramFullScorer`, in log10 as kenlm and ESPnet have it.

    Hypotheses with the same last n - 1 tokens are in the same state of kenlm, and a state is asked
    for its V scores once.

    Args:
        path: an ARPA file or kenlm's own binary.
        token_list: the vocabulary of the search.

    Raises:
        BundleError: kenlm is not installed, or does not read the file.
    """

    def __init__(self, path: Path, token_list: Sequence[str]) -> None:
        self._kenlm = _kenlm()
        self._words = ["</s>" if token == "<eos>" else token for token in token_list]
        self._scores: dict[Any, Array] = {}
        config = self._kenlm.Config()
        config.show_progress, config.arpa_complain = False, self._kenlm.ARPALoadComplain.NONE
        try:
            self._model = self._kenlm.LanguageModel(str(path), config)
        except OSError as error:
            reason = one_line(error)
            raise BundleError(
                f"{path.name}: kenlm cannot read it ({reason}): export the model again"
            ) from None

    def start(self, encoder_out: Array, lengths: Array) -> Array:
        """kenlm's null context for every utterance: (B, 1) of kenlm states."""
        state = self._kenlm.State()
        self._model.NullContextWrite(state)
        states = np.empty((len(lengths), 1), dtype=object)
        states.fill(state)
        return states

    def score(self, tokens: Array, state: Array, parents: Array) -> tuple[Array, Array]:
        """(B, H, U) tokens, states (B, H') and (B, H) parents -> (B, H, V) log10, states (B, H)."""
        old = np.take_along_axis(state, parents, axis=1)
        new = np.empty_like(old)
        first = tokens.shape[2] == 1
        scores = np.empty((*old.shape, len(self._words)), dtype=np.float32)
        for place, last in np.ndenumerate(tokens[:, :, -1]):
            new[place] = self._kenlm.State()
            word = "<s>" if first else self._words[last]
            self._model.BaseScore(old[place], word, new[place])
            scores[place] = self._of(new[place])
        return scores, new

    def keep(self, state: Array, utterances: Array) -> Array:
        """The state of some of its utterances."""
        kept: Array = state[utterances]
        return kept

    def _of(self, state: Any) -> Array:
        """Scores (V,) of every token that may follow."""
        found = self._scores.get(state)
        if found is None:
            after, model = self._kenlm.State(), self._model
            scores = [model.BaseScore(state, word, after) for word in self._words]
            if len(self._scores) >= KEPT:
                self._scores.clear()
            found = self._scores[state] = np.array(scores, dtype=np.float32)
        return found


def _kenlm() -> Any:
    try:
        import kenlm
    except ImportError as error:
        raise BundleError(
            f"this bundle has an n-gram model, and kenlm does not import ({error}): install it "
            "(pip install kenlm), or export the model without it"
        ) from None
    return kenlm
