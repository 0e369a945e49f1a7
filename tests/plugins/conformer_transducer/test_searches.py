"""Every search against ESPnet's `BeamSearchTransducer`, over the same random networks."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

from espnet2.asr.transducer.beam_search_transducer import BeamSearchTransducer
from espnet2.lm.seq_rnn_lm import SequentialRNNLM

from espnet_onnx.errors import InputError
from espnet_onnx.roles import Encoded
from espnet_onnx_plugin_conformer_transducer.searcher import TransducerSearch
from espnet_onnx_plugin_conformer_transducer.settings import TransducerDecoding

from .live_networks import LanguageModel, Networks, V, encoded, networks

DURATIONS = (2, 4)


@pytest.fixture(autouse=True)
def no_grad() -> Any:
    with torch.no_grad():
        yield


def ours(networks: Networks, lm: Any = None, **settings: Any) -> Any:
    durations = DURATIONS if settings.get("search") == "mbg" else ()
    searcher = TransducerSearch(
        networks,
        None if lm is None else LanguageModel(lm),
        blank=len(durations),
        vocab_size=V,
        durations=durations,
    )
    decoding = TransducerDecoding(**settings)
    searcher.check(decoding)
    return lambda encoded: searcher(encoded, decoding)


def espnets(networks: Networks, lm: Any = None, **settings: Any) -> Any:
    settings["search_type"] = settings.pop("search", "default")
    blanks = {
        "multi_blank_durations": [*reversed(DURATIONS), 1],
        "multi_blank_indices": list(range(len(DURATIONS) + 1)),
    }
    return BeamSearchTransducer(
        networks.decoder, networks.joint_network, lm=lm, **{**blanks, **settings}
    )


def same(settings: dict[str, Any], seed: int, rnn_type: str = "lstm", lm: Any = None) -> int:
    """Compare the n-best lists; how many tokens the longest has."""
    nets, heard = networks(seed, rnn_type), encoded(seed)
    (found,) = ours(nets, lm, **settings)(heard)
    wanted = espnets(nets, lm, **settings)(torch.from_numpy(heard.out[0]))[: settings["nbest"]]
    assert [list(h.tokens) for h in found.hypotheses] == [h.yseq[1:] for h in wanted]
    scores = [h.score for h in found.hypotheses]
    np.testing.assert_allclose(scores, [float(h.score) for h in wanted], rtol=0, atol=1e-4)
    assert all(len(h.frames) == len(h.tokens) for h in found.hypotheses)
    assert all(list(h.frames) == sorted(h.frames) for h in found.hypotheses)
    return max(len(hypothesis.tokens) for hypothesis in found.hypotheses)


SETTINGS: list[dict[str, Any]] = [
    {"beam_size": 1, "nbest": 1},
    {"beam_size": 2, "nbest": 2},
    {"beam_size": 5, "nbest": 5},
    {"beam_size": 4, "nbest": 4, "score_norm": False},
    {"beam_size": 3, "nbest": 3, "score_norm_during": True},
    {"beam_size": 30, "nbest": 3},
    {"beam_size": 4, "nbest": 4, "search": "tsd"},
    {"beam_size": 3, "nbest": 3, "search": "tsd", "max_sym_exp": 4, "score_norm_during": True},
    {"beam_size": 4, "nbest": 4, "search": "alsd"},
    {"beam_size": 3, "nbest": 1, "search": "alsd", "u_max": 3, "score_norm_during": True},
    {"beam_size": 4, "nbest": 4, "search": "nsc"},
    {"beam_size": 4, "nbest": 4, "search": "nsc", "nstep": 3, "prefix_alpha": 3},
    {"beam_size": 4, "nbest": 4, "search": "maes"},
    {"beam_size": 3, "nbest": 3, "search": "maes", "nstep": 3, "prefix_alpha": 2},
    {"beam_size": 5, "nbest": 5, "search": "maes", "expansion_gamma": 1.0, "expansion_beta": 0},
    {"beam_size": 1, "nbest": 1, "search": "mbg"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_finds_what_espnet_finds(settings: dict[str, Any]) -> None:
    tokens = sum(same(settings, seed) for seed in range(4))
    assert tokens >= 4


def test_gru() -> None:
    assert same({"beam_size": 4, "nbest": 4}, 3, "gru")


@pytest.mark.parametrize("search", ["default", "tsd", "alsd", "nsc", "maes"])
def test_language_model(search: str) -> None:
    torch.manual_seed(9)
    lm = SequentialRNNLM(V, unit=12, nlayers=2, rnn_type="lstm").eval()
    lm.decoder.weight *= 10
    settings = {"beam_size": 4, "nbest": 4, "search": search, "lm_weight": 0.7}
    plain = {**settings, "lm_weight": 0.0}
    other = 0
    for seed in range(4):
        same(settings, seed, lm=lm)
        heard, nets = encoded(seed), networks(seed)
        (one,), (two,) = (ours(nets, lm, **s)(heard) for s in (settings, plain))
        other += one.hypotheses[0].tokens != two.hypotheses[0].tokens
    assert other


def test_a_batch_finds_what_each_finds_alone_in_fewer_calls() -> None:
    nets, heard = networks(2), encoded(2, [14, 9, 12])
    for settings in SETTINGS:
        search = ours(nets, **settings)
        nets.calls = 0
        together = search(heard)
        calls, nets.calls = nets.calls, 0
        for one, out, length in zip(together, heard.out, heard.lengths, strict=True):
            (alone,) = search(Encoded(out[None, :length], np.array([length])))
            assert [h.tokens for h in one.hypotheses] == [h.tokens for h in alone.hypotheses]
            pairs = zip(one.hypotheses, alone.hypotheses, strict=True)
            assert all(abs(a.score - b.score) < 1e-4 for a, b in pairs)
        assert calls < nets.calls


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"search": "greedy"}, "one of default, tsd, alsd, nsc, maes, mbg"),
        ({"search": "maes", "beam_size": 10}, "beam_size + expansion_beta = 12"),
        ({"beam_size": 0}, "beam_size=0"),
        ({"prefix_alpha": -1}, "prefix_alpha=-1"),
        ({"lm_weight": float("nan")}, "lm_weight=nan"),
        ({"lm_weight": 0.5}, "lm_weight=0.5 needs a language model, which this bundle lacks"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=re.escape(line)):
        ours(networks(0), **settings)


def test_searches_that_do_not_fit_the_blanks_are_refused() -> None:
    searcher = TransducerSearch(networks(0), None, blank=2, vocab_size=V, durations=DURATIONS)
    with pytest.raises(InputError, match="several blanks: give mbg"):
        searcher.check(TransducerDecoding(search="tsd"))
