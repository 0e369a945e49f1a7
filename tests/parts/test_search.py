"""Beam search on a bigram table, where every sequence can be tried.

Shapes: B utterances, T frames, D width, V tokens, H hypotheses, U tokens so far.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from espnet_onnx.errors import InputError
from espnet_onnx.parts.decoding import Decoding
from espnet_onnx.parts.hypothesis import Hypothesis
from espnet_onnx.parts.search import BeamSearch
from espnet_onnx.types import Array

VOCAB, EOS = 5, 4


class Bigram:
    """A `roles.Scorer` whose state is the last token, so a wrong parent shows."""

    def __init__(self, seed: int, eos_bias: float = 0.0) -> None:
        logits = np.random.default_rng(seed).normal(size=(VOCAB, VOCAB)) * 2
        logits[:, EOS] += eos_bias
        logits -= np.logaddexp.reduce(logits, axis=1, keepdims=True)
        self.table = logits.astype(np.float32)

    def start(self, encoder_out: Array, lengths: Array) -> Any:
        return np.zeros((len(lengths), 1, 0), dtype=np.int64)

    def score(self, tokens: Array, state: Any, parents: Array) -> tuple[Array, Any]:
        rows = np.arange(len(tokens))[:, None]
        np.testing.assert_array_equal(tokens[..., :-1], state[rows, parents])
        return self.table[tokens[..., -1]], tokens


def _search(
    frames: tuple[int, ...] = (9,),
    scorers: dict[str, Any] | None = None,
    log_probs: Array | None = None,
    **options: Any,
) -> list[list[Hypothesis]]:
    decoding = Decoding(**{"beam_size": 3, "ctc_weight": 0.0, **options})
    scorers = {"decoder": Bigram(0)} if scorers is None else scorers
    search = BeamSearch(scorers, vocab_size=VOCAB, sos=EOS, eos=EOS, decoding=decoding)
    return search(np.zeros((len(frames), max(frames), 2), np.float32), np.array(frames), log_probs)


def _posteriors(seed: int, *shape: int) -> Array:
    logits = np.random.default_rng(seed).normal(size=(*shape, VOCAB))
    log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return log_probs.astype(np.float32)


def test_wide_beam_finds_the_best_of_all_sequences() -> None:
    table, lm = Bigram(1).table, Bigram(2).table
    scored = {}
    for n in range(4):
        for sequence in product(range(EOS), repeat=n):
            steps = list(zip((EOS, *sequence), (*sequence, EOS), strict=True))
            parts = [sum(float(t[a, b]) for a, b in steps) for t in (table, lm)]
            scored[sequence] = parts[0] + 0.5 * parts[1] + 0.7 * (n + 1)
    best = sorted(scored, key=lambda s: scored[s], reverse=True)[:4]
    options: dict[str, Any] = {"beam_size": 200, "lm_weight": 0.5, "penalty": 0.7, "nbest": 4}
    scorers = {"decoder": Bigram(1), "lm": Bigram(2)}
    (found,) = _search((30,), scorers, maxlenratio=-5.0, **options)
    found = [h for h in found if len(h.tokens) < 4]
    assert [h.tokens for h in found] == [s for s in best if s in {h.tokens for h in found}]
    assert found[0].score == pytest.approx(scored[found[0].tokens], abs=1e-5)
    assert found[0].scores["length_bonus"] == len(found[0].tokens) + 1


def test_last_step_ends_every_hypothesis() -> None:
    """As in ESPnet, an <eos> of the last step is followed by another and so is a token."""
    (found,) = _search(maxlenratio=-2.0, nbest=10, scorers={"decoder": Bigram(0, eos_bias=3.0)})
    assert {len(h.tokens) for h in found} == {0, 2}
    assert any(h.tokens[-1:] == (EOS,) for h in found)


def test_shorter_minimum_is_tried_where_nothing_ended() -> None:
    """maxlenratio ends the search before minlenratio allows an end."""
    frames = (10, 20)
    impossible = _search(frames, maxlenratio=0.5, minlenratio=0.9)
    assert impossible == _search(frames, maxlenratio=0.5, minlenratio=0.4)
    assert all(hypotheses for hypotheses in impossible)
    assert _search(frames, maxlenratio=-2.0, minlenratio=-5.0) == [[], []]


def test_batch_equals_each_utterance_alone() -> None:
    frames, log_probs = (12, 1, 5, 30), _posteriors(3, 4, 30)
    options = {"ctc_weight": 0.4, "nbest": 3, "ctc_window_margin": 3, "beam_size": 2}
    together = _search(frames, None, log_probs, **options)
    for b, n in enumerate(frames):
        (alone,) = _search((n,), None, log_probs[b : b + 1, :n], **options)
        assert [h.tokens for h in alone] == [h.tokens for h in together[b]]
        assert [h.score for h in alone] == pytest.approx([h.score for h in together[b]])


class Keeping(Bigram):
    """Counts the utterances it is asked about."""

    scored = 0

    def score(self, tokens: Array, state: Any, parents: Array) -> tuple[Array, Any]:
        self.scored += len(tokens)
        return super().score(tokens, state, parents)

    def keep(self, state: Any, utterances: Array) -> Any:
        return state[utterances]


@pytest.mark.parametrize("ctc_weight", [0.0, 0.4])
def test_utterances_that_ended_are_left_out(ctc_weight: float) -> None:
    frames = (2, 12, 3, 2, 8)
    log_probs = _posteriors(3, len(frames), max(frames))
    options = {"ctc_weight": ctc_weight, "maxlenratio": 1.0}
    keeping = Keeping(0, eos_bias=-9.0)
    without = _search(frames, {"decoder": Bigram(0, eos_bias=-9.0)}, log_probs, **options)

    assert _search(frames, {"decoder": keeping}, log_probs, **options) == without
    # all five for the two steps that the shortest take, then those three that go on, and so forth
    assert keeping.scored == 2 * 5 + 3 + 5 * 2 + 4 * 1


def test_blank_is_never_chosen_however_wide_the_beam() -> None:
    (found,) = _search((3,), None, _posteriors(4, 1, 3), ctc_weight=0.5, beam_size=50, nbest=50)
    assert len(found) > 10
    assert not any(0 in h.tokens for h in found)


def test_no_frames_no_hypothesis() -> None:
    empty, _ = _search((0, 4), None, _posteriors(5, 2, 4), ctc_weight=0.5)
    assert empty == []


@pytest.mark.parametrize(
    ("scorers", "options", "message"),
    [
        ({"decoder": Bigram(0)}, {"ctc_weight": 0.5}, "needs CTC"),
        ({}, {"ctc_weight": 0.0}, "lacks"),
        ({"oracle": Bigram(0)}, {}, "'oracle' has no decoding weight"),
    ],
)
def test_refuses(scorers: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _search((3,), scorers, **options)
