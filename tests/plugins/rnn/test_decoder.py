"""The recurrent decoder against ESPnet's own, on tiny random models of every attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.parity import compare, expect
from espnet_onnx.types import Array, Feed
from espnet_onnx_plugin_rnn.decoder_claim import ATTENTIONS, KIND, claim_decoder

from .decoders import (
    D,
    Eager,
    V,
    eager_scorer,
    espnet_scores,
    graphs_of,
    live_decoder,
    scorer,
)

pytestmark = pytest.mark.export

VARIANTS: dict[str, dict[str, Any]] = {
    "gru": {"rnn_type": "gru"},
    "deep": {"num_layers": 3, "context_residual": True, "dropout": 0.5},
    "deep_gru": {"rnn_type": "gru", "num_layers": 2, "replace_sos": True},
    "several_attentions": {"num_att": 2, "sampling_probability": 0.9},
}
# The conformance kit exports two more.
EXPORTED = ("location_recurrent", "multi_head_multi_res_loc")


def difference(graph: eo.Graph) -> float:
    """Parity of the module that is to be exported, without exporting it."""
    session = Eager(graph)

    def run(feed: Feed) -> Feed:
        out = session(**{name: feed[name] for name in session.inputs})
        return dict(zip(graph.outputs, out, strict=True))

    return compare(graph, run, expect(graph)).difference


@pytest.mark.parametrize("atype", ATTENTIONS)
def test_every_attention_equals_espnet(atype: str) -> None:
    for name, graph in graphs_of(live_decoder(atype)).items():
        assert difference(graph) < 1e-5, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_equal_espnet(variant: str) -> None:
    for name, graph in graphs_of(live_decoder("location", **VARIANTS[variant])).items():
        assert difference(graph) < 1e-5, name


def walk(scorer: Any, encoder_out: Array, lengths: Array, beams: list[int]) -> Any:
    """Grow hypotheses from random parents; yields tokens and their scores at every step."""
    rng = np.random.default_rng(1)
    state = scorer.start(encoder_out, lengths)
    tokens = rng.integers(0, V, (len(lengths), 1, 1))
    parents = np.zeros((len(lengths), 1), np.int64)
    for width in beams:
        log_probs, state = scorer.score(tokens, state, parents)
        yield tokens, log_probs
        parents = rng.integers(0, tokens.shape[1], (len(lengths), width))
        kept = np.take_along_axis(tokens, parents[:, :, None], 1)
        tokens = np.concatenate([kept, rng.integers(0, V, (*parents.shape, 1))], axis=2)


def check_walk(scorer: Any, decoder: Any) -> None:
    """Hypotheses of a ragged batch, reordered at random, score as ESPnet's do one by one."""
    lengths = np.array([4, 9, 1])
    encoder_out = np.random.default_rng(0).standard_normal((3, 9, D), dtype=np.float32)
    for tokens, log_probs in walk(scorer, encoder_out, lengths, [3, 4, 4, 2]):
        wanted = espnet_scores(decoder, tokens, encoder_out, lengths)
        assert log_probs.shape == wanted.shape
        assert np.abs(log_probs - wanted).max() < 1e-4


@pytest.mark.parametrize("atype", ATTENTIONS)
def test_reordered_hypotheses_of_a_ragged_batch_equal_espnets_score(atype: str) -> None:
    decoder = live_decoder(atype, num_layers=2)
    before = {key: tensor.clone() for key, tensor in decoder.state_dict().items()}
    check_walk(eager_scorer(decoder), decoder)
    after = decoder.state_dict()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())


@pytest.mark.parametrize(
    "atype",
    [
        pytest.param(atype, marks=[] if atype in EXPORTED else pytest.mark.slow)
        for atype in ATTENTIONS
    ],
)
def test_graphs_score_as_their_modules(atype: str, tmp_path: Path) -> None:
    decoder = live_decoder(atype)
    check_walk(scorer(decoder, tmp_path), decoder)


def test_a_state_can_be_continued_twice() -> None:
    ours = eager_scorer(live_decoder("coverage_location", num_layers=2))
    encoder_out = np.random.default_rng(3).standard_normal((1, 6, D), dtype=np.float32)
    state = ours.start(encoder_out, np.array([6]))
    _, state = ours.score(np.array([[[1]]]), state, np.array([[0]]))
    tokens, parents = np.array([[[1, 2], [1, 3]]]), np.zeros((1, 2), np.int64)
    first, _ = ours.score(tokens, state, parents)
    ours.score(np.array([[[1, 4]]]), state, parents[:, :1])
    again, _ = ours.score(tokens, state, parents)
    assert np.array_equal(first, again)
    assert np.abs(first[0, 0] - first[0, 1]).max() > 1e-3


@pytest.mark.parametrize(
    ("conf", "word"),
    [
        ({"num_encs": 2}, "several encoders"),
        ({"att_conf": {"num_encs": 2}}, "several encoders"),
        ({"att_conf": {"atype": "forward"}}, "atype forward"),
        ({"rnn_type": "rnn"}, "rnn_type rnn"),
    ],
)
def test_declines_with_a_reason(conf: dict[str, Any], word: str) -> None:
    answer = claim_decoder(eo.Component("decoder", "decoder", "rnn", conf))
    assert isinstance(answer, eo.Declined)
    assert word in answer.reason


def test_claims_from_the_config_alone() -> None:
    config_only = eo.Component("decoder", "decoder", "rnn", {"att_conf": {"atype": "dot"}})
    assert claim_decoder(config_only) == eo.Part(KIND)
    assert claim_decoder(eo.Component("decoder", "decoder", "transformer")) is None
    assert claim_decoder(eo.Component("encoder", "encoder", "rnn")) is None


def test_an_attention_that_nobody_wrote_is_named() -> None:
    decoder = live_decoder("dot")
    decoder.att_list[0] = torch.nn.Identity()
    with pytest.raises(ModelError, match="attention Identity has no graph"):
        graphs_of(decoder)
