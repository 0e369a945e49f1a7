"""CTC prefix scores against the sum over every path, written out.

Shapes: B utterances, T frames, V tokens, H hypotheses, C candidates.
"""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest

from espnet_onnx.parts.ctc_prefix import LOG_ZERO, CTCPrefixScorer
from espnet_onnx.types import Array

BLANK, EOS = 0, 3


def _posteriors(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Array:
    logits = rng.normal(size=shape) * scale
    log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return log_probs.astype(np.float32)


def _by_paths(log_probs: Array, prefix: tuple[int, ...], whole: bool) -> float:
    """log p(what is said begins with, or is, the prefix), path by path."""
    total = -np.inf
    for path in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        said = tuple(label for label, _ in groupby(path) if label != BLANK)
        if said == prefix if whole else said[: len(prefix)] == prefix:
            total = np.logaddexp(total, sum(log_probs[t, v] for t, v in enumerate(path)))
    return max(float(total), LOG_ZERO)


def _scorer(log_probs: Array, margin: int = 0) -> CTCPrefixScorer:
    lengths = np.array([len(log_probs)])
    return CTCPrefixScorer(log_probs[None], lengths, blank=BLANK, eos=EOS, margin=margin)


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("prefix", [(), (1,), (2, 2), (1, 2), (1, 1, 2)])
def test_sums_every_path(prefix: tuple[int, ...], every: bool) -> None:
    log_probs = _posteriors(np.random.default_rng(0), 5, 4)
    scorer = _scorer(log_probs)
    ids = None if every else np.array([[2, 1, EOS, BLANK]])
    total, last = 0.0, EOS
    for token in prefix:
        total += scorer.score(0, np.array([last]), None)[0, token]
        scorer.select(0, np.array([0]), np.array([token]))
        last = token
    scores = scorer.score(0, np.array([last]), ids)[0]
    column = (lambda v: v) if ids is None else ids[0].tolist().index
    assert total + scores[column(EOS)] == pytest.approx(_by_paths(log_probs, prefix, True))
    for token in (1, 2):
        expected = _by_paths(log_probs, (*prefix, token), False)
        assert total + scores[column(token)] == pytest.approx(expected)
    assert scores[column(BLANK)] == -np.inf


def test_impossible_prefixes_stay_finite() -> None:
    scorer = _scorer(_posteriors(np.random.default_rng(1), 2, 4))
    last = EOS
    for token in (1, 2, 1, 1):
        scores = scorer.score(0, np.array([last]), None)
        assert np.isfinite(scores[0, 1:]).all()
        scorer.select(0, np.array([0]), np.array([token]))
        last = token
    assert scores[0, EOS] == 0.0  # from one impossible prefix to another
    assert scorer.score(0, np.array([1]), None)[0, 2] == 0.0


def test_masked_and_vanishing_tokens() -> None:
    """-inf and probabilities below what a float32 or float64 product can hold."""
    log_probs = _posteriors(np.random.default_rng(2), 6, 7)
    log_probs[:, 4], log_probs[:, 5], log_probs[:, 6] = -np.inf, -150.0, -900.0
    ids = np.arange(7)[None]
    for candidates in (None, ids):
        scorer = _scorer(log_probs)
        scores = scorer.score(0, np.array([EOS]), candidates)[0]
        assert scores[4] == LOG_ZERO
        silence = np.concatenate(([0.0], np.cumsum(log_probs[:-1, 0], dtype=np.float64)))
        expected = np.logaddexp.reduce(silence)
        assert scores[5] == pytest.approx(expected - 150.0, abs=1e-4)
        assert scores[6] == pytest.approx(expected - 900.0, abs=1e-4)


@pytest.mark.parametrize("margin", [0, 4])
def test_batch_equals_each_utterance_alone(margin: int) -> None:
    rng = np.random.default_rng(4)
    lengths = np.array([30, 3, 17])
    log_probs = _posteriors(rng, 3, 30, 6, scale=3.0)
    together = CTCPrefixScorer(log_probs, lengths, blank=BLANK, eos=EOS, margin=margin)
    for b, n in enumerate(lengths):
        alone = _scorer(log_probs[b, :n], margin)
        last = np.array([EOS])
        for _ in range(5):
            ids = rng.integers(1, 6, size=(len(last), 4))
            scores = together.score(b, last, ids)
            np.testing.assert_array_equal(scores, alone.score(0, last, ids))
            parents, columns = rng.integers(0, len(last), 3), rng.integers(0, 4, 3)
            together.select(b, parents, columns)
            alone.select(0, parents, columns)
            last = ids[parents, columns]


def test_window_reaches_over_a_long_silence() -> None:
    """The word after a silence longer than the margin can still be scored."""
    log_probs = np.full((60, 4), np.log(1e-6), dtype=np.float32)
    log_probs[:, BLANK] = 0.0
    for frame, token in ((2, 1), (55, 2)):
        log_probs[frame] = np.log(1e-6)
        log_probs[frame, token] = 0.0
    scorer = _scorer(log_probs, margin=3)
    scorer.score(0, np.array([EOS]), None)
    scorer.select(0, np.array([0]), np.array([1]))
    assert scorer.score(0, np.array([1]), None)[0, 2] > -0.01
