"""The standalone task's searches against ESPnet's, over the same random networks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

from espnet2.asr_transducer.beam_search_transducer import BeamSearchTransducer
from espnet2.asr_transducer.decoder.rnn_decoder import RNNDecoder
from espnet2.asr_transducer.decoder.stateless_decoder import StatelessDecoder
from espnet2.asr_transducer.joint_network import JointNetwork
from espnet2.lm.seq_rnn_lm import SequentialRNNLM

from espnet_onnx.errors import InputError
from espnet_onnx.parts.streaming_settings import Streaming
from espnet_onnx.roles import Encoded
from espnet_onnx_plugin_conformer_transducer.settings import StandaloneDecoding
from espnet_onnx_plugin_conformer_transducer.standalone_searcher import StandaloneSearch

from .live_networks import LanguageModel, Networks, T, V, encoded

# Encoder width, units, joint width.
D, P, J = 8, 16, 12


@pytest.fixture(autouse=True)
def no_grad() -> Any:
    with torch.no_grad():
        yield


def networks(seed: int, kind: str = "lstm") -> Networks:
    torch.manual_seed(seed)
    if kind == "stateless":
        decoder = StatelessDecoder(V, embed_size=P)
    else:
        decoder = RNNDecoder(V, embed_size=6, hidden_size=P, rnn_type=kind, num_layers=2)
    joint = JointNetwork(V, D, P, J).eval()
    # Sharper than random weights are, so that beams part; without blanks a search would not end.
    joint.lin_out.weight *= 4
    joint.lin_out.bias[0] += 2
    return Networks(decoder.eval(), joint)


def language_model() -> Any:
    torch.manual_seed(9)
    lm = SequentialRNNLM(V, unit=12, nlayers=2, rnn_type="lstm").eval()
    lm.decoder.weight *= 10
    return lm


def ours(networks: Networks, lm: Any = None, **settings: Any) -> Any:
    model = None if lm is None else LanguageModel(lm)
    searcher = StandaloneSearch(networks, model, blank=0, vocab_size=V, durations=())
    decoding = StandaloneDecoding(**settings)
    searcher.check(decoding)
    return lambda encoded: searcher(encoded, decoding)


def same(settings: dict[str, Any], seed: int, kind: str = "lstm", lm: Any = None) -> int:
    """Compare the n-best lists; how many tokens the longest has."""
    nets, heard = networks(seed, kind), encoded(seed)
    (found,) = ours(nets, lm, **settings)(heard)
    given = {"search_type": settings.get("search", "default"), **settings}
    given.pop("search", None)
    espnets = BeamSearchTransducer(nets.decoder, nets.joint_network, lm=lm, **given)
    wanted = espnets(torch.from_numpy(heard.out[0]))
    assert [list(h.tokens) for h in found.hypotheses] == [h.yseq[1:] for h in wanted]
    scores = [h.score for h in found.hypotheses]
    np.testing.assert_allclose(scores, [float(h.score) for h in wanted], rtol=0, atol=1e-4)
    assert all(len(h.frames) == len(h.tokens) for h in found.hypotheses)
    return max(len(hypothesis.tokens) for hypothesis in found.hypotheses)


SETTINGS: list[dict[str, Any]] = [
    {"beam_size": 1, "nbest": 1},
    {"beam_size": 5, "nbest": 5},
    {"beam_size": 4, "nbest": 4, "score_norm": True},
    {"beam_size": 4, "nbest": 4, "search": "tsd"},
    {"beam_size": 3, "nbest": 3, "search": "tsd", "max_sym_exp": 4, "score_norm": True},
    {"beam_size": 4, "nbest": 4, "search": "alsd"},
    {"beam_size": 3, "nbest": 3, "search": "alsd", "u_max": 3, "score_norm": True},
    {"beam_size": 4, "nbest": 4, "search": "maes"},
    {"beam_size": 3, "nbest": 3, "search": "maes", "nstep": 1},
    {"beam_size": 4, "nbest": 4, "search": "maes", "nstep": 4, "expansion_gamma": 8.0},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_finds_what_espnet_finds(settings: dict[str, Any]) -> None:
    tokens = sum(same(settings, seed) for seed in range(3))
    # A beam of one seldom leaves the blank of these networks.
    assert tokens >= 3 or settings["beam_size"] == 1


@pytest.mark.parametrize("kind", ["gru", "stateless"])
def test_other_networks(kind: str) -> None:
    assert same({"beam_size": 4, "nbest": 4}, 3, kind)


@pytest.mark.parametrize("search", ["default", "tsd", "alsd", "maes"])
def test_language_model(search: str) -> None:
    lm = language_model()
    settings = {"beam_size": 4, "nbest": 4, "search": search, "lm_weight": 0.7}
    other = 0
    for seed in range(5):
        same(settings, seed, lm=lm)
        heard, nets = encoded(seed), networks(seed)
        plain = {**settings, "lm_weight": 0.0}
        (one,), (two,) = (ours(nets, lm, **s)(heard) for s in (settings, plain))
        other += [h.score for h in one.hypotheses] != [h.score for h in two.hypotheses]
    assert other


@pytest.mark.parametrize("search", ["default", "tsd", "maes"])
def test_a_stream_with_a_language_model(search: str) -> None:
    """Every chunk goes on from where ESPnet's search goes on."""
    lm, settings = language_model(), {"beam_size": 4, "lm_weight": 0.7}
    for seed in range(3):
        nets, heard = networks(seed), encoded(seed).out[0]
        espnets = BeamSearchTransducer(
            nets.decoder, nets.joint_network, lm=lm, search_type=search, **settings
        )
        searcher = StandaloneSearch(nets, LanguageModel(lm), blank=0, vocab_size=V, durations=())
        stream = searcher.stream(StandaloneDecoding(search=search, **settings), Streaming())
        for begin, end in itertools.pairwise((0, 4, 5, 11, T)):
            wanted = espnets(torch.from_numpy(heard[begin:end]), is_final=False)
            stream.push(heard[begin:end], last=end == T)
            found = sorted((h.tokens, h.score) for h in stream.running)
            alive = sorted((tuple(h.yseq[1:]), float(h.score)) for h in wanted)
            assert [tokens for tokens, _ in found] == [tokens for tokens, _ in alive]
            scores = [score for _, score in found]
            np.testing.assert_allclose(scores, [score for _, score in alive], rtol=0, atol=1e-4)


def test_a_batch_finds_what_each_finds_alone_in_fewer_calls() -> None:
    nets, heard, lm = networks(2), encoded(2, [T, 9, 12]), language_model()
    for settings in SETTINGS[1::2]:
        search = ours(nets, lm, lm_weight=0.3, **settings)
        nets.calls = 0
        together = search(heard)
        calls, nets.calls = nets.calls, 0
        for one, out, length in zip(together, heard.out, heard.lengths, strict=True):
            (alone,) = search(Encoded(out[None, :length], np.array([length])))
            assert [h.tokens for h in one.hypotheses] == [h.tokens for h in alone.hypotheses]
        assert calls < nets.calls


def test_searches_of_other_transducers_are_refused() -> None:
    with pytest.raises(InputError, match="search='nsc' cannot be used: give one of default, tsd"):
        ours(networks(0), search="nsc")
    with pytest.raises(InputError, match="expansion_beta = 12"):
        ours(networks(0), search="maes", beam_size=10)
