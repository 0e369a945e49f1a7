"""N-gram scores through kenlm, against ESPnet's `NgramFullScorer`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import espnet_onnx as eo
from espnet_onnx.errors import BundleError
from espnet_onnx_plugin_lm.ngram_claim import claim_ngram
from espnet_onnx_plugin_lm.ngram_runtime import NgramScorer

TOKENS = ["<blank>", "<unk>", "a", "b", "c", "d", "<eos>"]


@pytest.fixture(scope="module")
def bigram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("kenlm", reason="needs the ngram extra")
    from espnet_onnx_plugin_lm.tiny import arpa

    path = tmp_path_factory.mktemp("ngram") / "bigram.arpa"
    arpa(path)
    return path


def espnets(path: Path) -> Any:
    for name in ("espnet2.legacy.nets.scorers.ngram", "espnet.nets.scorers.ngram"):
        try:
            return importlib.import_module(name).NgramFullScorer(str(path), TOKENS)
        except ImportError:
            continue
    pytest.skip("needs ESPnet")


@pytest.mark.export
def test_scores_of_a_search_are_espnets(bigram: Path) -> None:
    torch = pytest.importorskip("torch")
    ours, espnet = NgramScorer(bigram, TOKENS), espnets(bigram)
    rng = np.random.default_rng(0)
    batch, beams = 2, 3
    state = ours.start(np.zeros((batch, 4, 2)), np.array([4, 3]))
    tokens = np.full((batch, 1, 1), 6)
    parents = np.zeros((batch, 1), np.int64)
    x = torch.zeros(1)
    theirs = [[(espnet.init_state(x))] for _ in range(batch)]
    for _ in range(5):
        got, state = ours.score(tokens, state, parents)
        after: list[list[Any]] = []
        for b in range(batch):
            after.append([])
            for h, parent in enumerate(parents[b]):
                y = torch.tensor(tokens[b, h])
                want, new = espnet.score(y, theirs[b][parent], x)
                after[b].append(new)
                np.testing.assert_allclose(got[b, h], want.numpy(), atol=1e-6)
        theirs = after
        assert got.dtype == np.float32
        parents = rng.integers(0, tokens.shape[1], (batch, beams))
        kept = np.take_along_axis(tokens, parents[:, :, None], axis=1)
        tokens = np.concatenate([kept, rng.integers(0, 7, (batch, beams, 1))], axis=2)


def test_a_state_is_asked_once(bigram: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = NgramScorer(bigram, TOKENS)
    tokens = np.full((1, 1, 1), 6)
    zero = np.zeros((1, 1), np.int64)
    first, state = scorer.score(tokens, scorer.start(np.zeros((1, 1, 1)), np.ones(1)), zero)
    monkeypatch.setattr(scorer, "_words", None)
    np.testing.assert_array_equal(first[0, 0], scorer._of(state[0, 0]))


def test_without_kenlm(bigram: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with pytest.raises(BundleError, match=r"n-gram model.*pip install kenlm") as caught:
        NgramScorer(bigram, TOKENS)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_ngram(tmp_path: Path) -> None:
    pytest.importorskip("kenlm", reason="needs the ngram extra")
    path = tmp_path / "model.arpa"
    path.write_text("nothing\nof use")
    with pytest.raises(BundleError, match=r"model.arpa: kenlm cannot read it.*export") as caught:
        NgramScorer(path, TOKENS)
    assert "\n" not in str(caught.value)


def test_the_claim_takes_the_file_along(tmp_path: Path) -> None:
    conf, given = {"ngram_file": "x.arpa"}, {"token_list": TOKENS}
    part = claim_ngram(eo.Component("ngram", "ngram", "kenlm", conf, given=given, base=tmp_path))
    assert part is not None
    assert (part.files, part.config) == ({"ngram": tmp_path / "x.arpa"}, {"token_list": TOKENS})
