"""What a language model says of whole hypotheses, token by token.

Shapes: B sequences, U their tokens, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from ..roles import Scorer
from ..types import Array
from .hypothesis import Hypothesis

__all__ = ["rescore", "sequence_log_probs"]


def sequence_log_probs(
    scorer: Scorer, sequences: Sequence[Sequence[int]], sos: int, eos: int
) -> list[Array]:
    """Log probabilities of given tokens and the <eos> behind them, as a search adds them up.

    Args:
        scorer: a language model, which looks at no encoder output.
        sequences: token ids of each, without <sos> and <eos>.
        sos: what every sequence starts from.
        eos: what ends it.

    Returns:
        For each sequence (U + 1,) float64.
    """
    if not sequences:
        return []
    lengths = [len(sequence) + 1 for sequence in sequences]
    tokens = np.full((len(sequences), max(lengths) + 1), eos, dtype=np.int64)
    tokens[:, 0] = sos
    for row, sequence in zip(tokens, sequences, strict=True):
        row[1 : len(sequence) + 1] = sequence
    state = scorer.start(np.zeros((len(tokens), 0, 0), np.float32), np.zeros(len(tokens), np.int64))
    parents = np.zeros((len(tokens), 1), dtype=np.int64)
    rows = np.arange(len(tokens))
    found = np.zeros((len(tokens), max(lengths)))
    for step in range(max(lengths)):
        log_probs, state = scorer.score(tokens[:, None, : step + 1], state, parents)
        found[:, step] = log_probs[rows, 0, tokens[:, step + 1]]
    return [row[:length] for row, length in zip(found, lengths, strict=True)]


def rescore(
    nbest: Sequence[Hypothesis],
    scorer: Scorer,
    lm_weight: float,
    *,
    sos: int,
    eos: int,
    name: str = "lm",
) -> list[Hypothesis]:
    """Add a language model's score to hypotheses that a search found without it, and sort them.

    Args:
        nbest: what the search found.
        scorer: the language model.
        lm_weight: what its log probability, <eos> included, counts in the new score.
        sos: what every hypothesis starts from.
        eos: what ends it.
        name: the model's part in `Hypothesis.scores`; one that is there already is kept.

    Returns:
        The same hypotheses, the best first.
    """
    log_probs = sequence_log_probs(scorer, [h.tokens for h in nbest], sos, eos)
    scored = [
        attrs.evolve(h, score=h.score + lm_weight * p.sum(), scores={name: p.sum(), **h.scores})
        for h, p in zip(nbest, log_probs, strict=True)
    ]
    return sorted(scored, key=lambda h: h.score, reverse=True)
