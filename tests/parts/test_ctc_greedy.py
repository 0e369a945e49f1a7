"""Greedy CTC against a frame-by-frame collapse."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from espnet_onnx.parts.ctc_greedy import ctc_greedy


def test_collapses_repeats_and_drops_blanks() -> None:
    path = np.array([[0, 3, 3, 0, 3, 2, 2, 1, 0, 0]])
    log_probs = np.where(np.arange(4) == path[..., None], -0.5, -4.0).astype(np.float32)
    (hypothesis,) = ctc_greedy(log_probs, np.array([10]))
    assert hypothesis.tokens == (3, 3, 2, 1)
    assert hypothesis.frames == (1, 4, 5, 7)
    assert hypothesis.score == pytest.approx(-5.0)
    assert hypothesis.scores == {"ctc": hypothesis.score}


@pytest.mark.parametrize("blank", [0, 4])
def test_batch_equals_each_utterance_alone(blank: int) -> None:
    rng = np.random.default_rng(3)
    log_probs = rng.normal(size=(3, 17, 5)).astype(np.float32)
    lengths = np.array([17, 1, 9])
    for b, hypothesis in enumerate(ctc_greedy(log_probs, lengths, blank)):
        valid = log_probs[b, : lengths[b]]
        merged = [label for label, _ in groupby(valid.argmax(1).tolist())]
        assert list(hypothesis.tokens) == [label for label in merged if label != blank]
        assert hypothesis.score == pytest.approx(float(valid.max(1).sum()), rel=1e-6)
        assert hypothesis == ctc_greedy(valid[None], lengths[b : b + 1], blank)[0]


def test_silence_is_empty() -> None:
    log_probs = np.log(np.array([[[0.9, 0.1], [0.8, 0.2]]]))
    (hypothesis,) = ctc_greedy(log_probs, np.array([2]))
    assert hypothesis.tokens == () and hypothesis.frames == ()
