"""A second pass over n-best lists, and the weights of models that are not there."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from espnet_onnx.errors import InputError
from espnet_onnx.parts.decoding import Decoding
from espnet_onnx.parts.hypothesis import Hypothesis
from espnet_onnx.parts.rescoring import rescore, sequence_log_probs
from espnet_onnx.parts.transcript import Searcher
from espnet_onnx.types import Array

V, END = 6, 5


class Bigram:
    """Scores by the last token; checks that tokens are those of the state."""

    table = np.log(np.random.default_rng(0).dirichlet(np.ones(V), V)).astype(np.float32)

    def start(self, encoder_out: Array, lengths: Array) -> Array:
        return np.zeros((len(lengths), 1, 0), np.int64)

    def score(self, tokens: Array, state: Array, parents: Array) -> tuple[Array, Array]:
        np.testing.assert_array_equal(state, tokens[:, :, :-1])
        return self.table[tokens[:, :, -1]], tokens


def log_prob(sequence: tuple[int, ...]) -> float:
    path = [END, *sequence, END]
    return sum(float(Bigram.table[a, b]) for a, b in itertools.pairwise(path))


def test_log_probs_follow_every_sequence_to_its_end() -> None:
    sequences = [(1, 2, 3), (), (4,), (0, 0)]
    found = sequence_log_probs(Bigram(), sequences, END, END)
    assert [len(row) for row in found] == [4, 1, 2, 3]
    assert [row.sum() for row in found] == pytest.approx([log_prob(s) for s in sequences])


def test_rescoring_adds_the_models_part_and_sorts() -> None:
    nbest = [Hypothesis((1, 2), -1.0, {"ctc": -1.0}), Hypothesis((3,), -1.1), Hypothesis((), -9.0)]
    got = rescore(nbest, Bigram(), 2.0, sos=END, eos=END)
    wanted = {h.tokens: h.score + 2.0 * log_prob(h.tokens) for h in nbest}
    assert {h.tokens: h.score for h in got} == pytest.approx(wanted)
    assert [h.score for h in got] == sorted(wanted.values(), reverse=True)
    first = next(h for h in got if h.tokens == (1, 2))
    assert first.scores == pytest.approx({"lm": log_prob((1, 2)), "ctc": -1.0})


def searcher(*names: str) -> Searcher:
    scorers: dict[str, Any] = {name: Bigram() for name in ("decoder", *names)}
    return Searcher(scorers, None, END, END, 0, V)


@pytest.mark.parametrize("name", ["lm_weight", "ngram_weight", "rescoring_weight"])
def test_a_weight_needs_its_model(name: str) -> None:
    settings = Decoding(ctc_weight=0.0, **{name: 0.5})
    option = "--ngram" if name == "ngram_weight" else "--lm"
    with pytest.raises(InputError, match=f"{name}=0.5 needs an? .* lacks.*{option}"):
        searcher().check(settings)
    searcher("lm", "ngram").check(Decoding(ctc_weight=0.0, lm_weight=0.0, rescoring_weight=0.5))


def test_defaults_and_0_need_no_model() -> None:
    searcher().check(Decoding(ctc_weight=0.0))
    searcher().check(Decoding(ctc_weight=0.0, lm_weight=0.0, ngram_weight=0.0))


def test_a_model_counts_once() -> None:
    settings = Decoding(ctc_weight=0.0, lm_weight=0.6, rescoring_weight=0.3)
    with pytest.raises(InputError, match=r"rescoring_weight=0\.3 counts the language model twice"):
        searcher("lm").check(settings)
