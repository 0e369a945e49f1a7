"""Language models in a beam search, and on texts, against ESPnet's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

from espnet_onnx import load, loader, sources
from espnet_onnx.errors import InputError
from espnet_onnx.export import export
from espnet_onnx.parts.recognizer import Recognizer
from espnet_onnx.parts.rescoring import sequence_log_probs
from espnet_onnx.reference import Recogniser
from espnet_onnx.testing import TinyModel
from espnet_onnx.testing.specimen import write_model as write_lm

from ...tiny_models import changed, write_model

TOKENS = ["<blank>", "<unk>", "<space>", *"ABCDEFGHIJKLMN", "<sos/eos>"]
LMS: dict[str, dict[str, Any]] = {
    "transformer": {"embed_unit": 16, "att_unit": 32, "head": 2, "unit": 64, "layer": 2},
    "sinusoidal": {
        "pos_enc": "sinusoidal",
        "embed_unit": 8,
        "att_unit": 16,
        "unit": 32,
        "layer": 1,
    },
    "lstm": {"unit": 24, "nlayers": 2, "tie_weights": True},
    "gru": {"unit": 16, "nhid": 20, "nlayers": 2, "rnn_type": "gru"},
}
SEARCHES: list[dict[str, Any]] = [
    {"beam_size": 5, "lm_weight": 0.6, "ctc_weight": 0.3},
    {"beam_size": 10, "lm_weight": 1.0, "ctc_weight": 0.0},
    {"beam_size": 1, "lm_weight": 0.3, "ctc_weight": 0.5},
]


@attrs.frozen
class Pair:
    """A live model and what its bundle runs."""

    loaded: loader.Loaded
    runtime: Any


@pytest.fixture(scope="module")
def asr(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    pytest.importorskip("espnet2")
    folder = tmp_path_factory.mktemp("asr")
    model = write_model(folder / "model", changed(token_list=TOKENS))
    export(model, folder / "bundle", threads=1)
    loaded = loader.load_model(sources.find(model))
    return Pair(loaded, load(folder / "bundle", threads=1, ctc_window_margin=0))


@pytest.fixture(scope="module")
def lms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    return {name: pair(name, tmp_path_factory.mktemp(name)) for name in LMS}


def pair(name: str, folder: Path) -> Pair:
    kind = "transformer" if name in ("transformer", "sinusoidal") else "seq_rnn"
    config = {"token_list": TOKENS, "token_type": "char", "lm": kind, "lm_conf": LMS[name]}
    model = write_lm(TinyModel(name, config), folder / "model")
    export(model, folder / "bundle", threads=1)
    return Pair(loader.load_model(sources.find(model)), load(folder / "bundle", threads=1))


def with_lm(asr: Pair, lm: Pair) -> Recognizer:
    """As a bundle with both is opened; the conformance kit exports one."""
    searcher = asr.runtime.searcher
    scorers = {**searcher.scorers, "lm": lm.runtime.scorer}
    return attrs.evolve(asr.runtime, searcher=attrs.evolve(searcher, scorers=scorers))


@pytest.fixture(scope="module")
def noises() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.normal(0, 0.1, size).astype(np.float32) for size in (3500, 2500, 4000)]


@pytest.mark.parametrize("name", LMS)
def test_tokens_and_scores_are_espnets(
    name: str, asr: Pair, lms: Mapping[str, Pair], noises: list[np.ndarray]
) -> None:
    ours = with_lm(asr, lms[name])
    for search in SEARCHES if name in ("transformer", "lstm") else SEARCHES[:1]:
        espnet = Recogniser(asr.loaded, lm=lms[name].loaded, ctc_window_margin=0, **search)
        wanted = [espnet(noise) for noise in noises]
        batch = ours.batch(noises, **search)
        assert [r.ids for r in batch] == [w.ids for w in wanted], search
        assert [r.score for r in batch] == pytest.approx([w.score for w in wanted], abs=1e-3)
        alone = ours(noises[2], **search)
        assert (alone.ids, alone.score) == (batch[2].ids, pytest.approx(batch[2].score, abs=1e-4))


def test_the_weight_matters_and_0_leaves_the_model_out(
    asr: Pair, lms: Mapping[str, Pair], noises: list[np.ndarray]
) -> None:
    ours = with_lm(asr, lms["transformer"])
    without = asr.runtime(noises[0], beam_size=5)
    silent = ours(noises[0], beam_size=5, lm_weight=0.0)
    assert (silent.ids, silent.scores) == (without.ids, without.scores)
    assert "lm" in ours(noises[0], beam_size=5, lm_weight=0.5).scores


@pytest.mark.parametrize("name", LMS)
def test_texts_score_as_espnets_nll(name: str, lms: Mapping[str, Pair]) -> None:
    lm = lms[name]
    # Tokens 0 are hidden from a Transformer's attention, even from their own.
    texts = [[3, 4, 5, 6, 7, 8], [9], [], [5, 0, 7, 0, 0, 3, 2], [10, 16]]
    scores = lm.runtime.scores(texts)
    total = 0.0
    for text, score in zip(texts, scores, strict=True):
        ids, length = torch.tensor([text], dtype=torch.long), torch.tensor([len(text)])
        with torch.no_grad():
            nll, _ = lm.loaded.model.nll(ids.reshape(1, -1), length)
        assert score.log_probs == pytest.approx((-nll[0]).tolist(), abs=1e-4)
        assert score.perplexity == pytest.approx(float(nll.mean().exp()), rel=1e-4)
        total += float(nll.sum())
    tokens = sum(len(text) + 1 for text in texts)
    assert lm.runtime.perplexity(texts) == pytest.approx(np.exp(total / tokens), rel=1e-4)


def test_texts_are_split_into_tokens(lms: Mapping[str, Pair]) -> None:
    lm = lms["transformer"].runtime
    assert lm("A CAB") == lm([3, 2, 5, 3, 4])
    assert lm("AB").tokens == ("A", "B") and lm("AB").log_prob == sum(lm("AB").log_probs)
    with pytest.raises(InputError, match="token id 18: the vocabulary ends at 17"):
        lm([18])
    with pytest.raises(InputError, match="perplexity of no texts"):
        lm.perplexity([])


def test_a_branch_of_a_search_leaves_the_other_as_it_was(lms: Mapping[str, Pair]) -> None:
    for name in ("transformer", "lstm"):
        scorer = lms[name].runtime.scorer
        start = scorer.start(np.zeros((1, 0, 0)), np.zeros(1))
        zero = np.zeros((1, 1), np.int64)
        _, first = scorer.score(np.full((1, 1, 1), 17), start, zero)
        tokens = np.array([[[17, 3], [17, 4], [17, 0]]])
        _, second = scorer.score(tokens, first, np.zeros((1, 3), np.int64))
        longer = np.array([[[17, 4, 5], [17, 0, 5], [17, 4, 6]]])
        got, _ = scorer.score(longer, second, np.array([[1, 2, 1]]))
        for prefix, row in zip(longer[0], got[0], strict=True):
            state = None
            for end in (1, 2, 3):
                with torch.no_grad():
                    want, state = lms[name].loaded.model.lm.score(
                        torch.tensor(prefix[:end]), state, torch.zeros(1)
                    )
            np.testing.assert_allclose(row, want.numpy(), atol=1e-4)


def test_a_second_pass_adds_what_espnets_model_says(
    asr: Pair, lms: Mapping[str, Pair], noises: list[np.ndarray]
) -> None:
    lm = lms["transformer"]
    ours = with_lm(asr, lm)
    search = {"beam_size": 5, "lm_weight": 0.0, "nbest": 5}
    plain = ours(noises[0], **search)
    rescored = ours(noises[0], **search, rescoring_weight=0.7)
    wanted = {}
    for hypothesis in plain.nbest:
        ids, length = torch.tensor([hypothesis.ids]), torch.tensor([len(hypothesis.ids)])
        with torch.no_grad():
            nll, _ = lm.loaded.model.nll(ids, length)
        wanted[hypothesis.ids] = hypothesis.score - 0.7 * float(nll.sum())
    assert len(wanted) == 5
    assert {h.ids: h.score for h in rescored.nbest} == pytest.approx(wanted, abs=1e-3)
    assert rescored.ids == max(wanted, key=lambda ids: wanted[ids])
    scores = [hypothesis.score for hypothesis in rescored.nbest]
    assert scores == sorted(scores, reverse=True)


def test_sequences_of_many_lengths_score_as_alone(lms: Mapping[str, Pair]) -> None:
    scorer = lms["sinusoidal"].runtime.scorer
    sequences = [[3] * n for n in (0, 70, 2, 130)]
    together = sequence_log_probs(scorer, sequences, 17, 17)
    for sequence, row in zip(sequences, together, strict=True):
        (alone,) = sequence_log_probs(scorer, [sequence], 17, 17)
        assert row.shape == (len(sequence) + 1,)
        np.testing.assert_allclose(row, alone, atol=1e-4)
    assert sequence_log_probs(scorer, [], 17, 17) == []
