"""The S4 decoder against ESPnet's own, on tiny random models."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.decoder.s4_decoder import S4Decoder

import espnet_onnx as eo
from espnet_onnx import loader, sources
from espnet_onnx.parity import compare, expect
from espnet_onnx.testing.snapshot import changes, snapshot
from espnet_onnx_plugin_s4.decoder_claim import claim_decoder
from espnet_onnx_plugin_s4.decoder_export import decoder_graphs
from espnet_onnx_plugin_s4.tiny import MODELS

from ...tiny_models import changed, write_model
from ..decoder_checks import assert_same_answers, eager, scorer_of, walk

pytestmark = pytest.mark.export

V, D = 11, 16
TOKENS = ["<blank>", "<unk>", "<space>", *"abcdefghijklmno", "<sos/eos>"]
MHA = {"_name_": "mha", "n_head": 2}
FF = {"_name_": "ff", "expand": 2}


def s4(**conf: Any) -> dict[str, Any]:
    return {"_name_": "s4", "d_state": 8, "postact": "glu", **conf}


def stacked(*layers: Any, **conf: Any) -> dict[str, Any]:
    return {"n_layers": 2, "layer": list(layers), "residual": "residual", "norm": "layer", **conf}


VARIANTS: dict[str, dict[str, Any]] = {
    "recipe": stacked(s4(n_ssm=1), MHA, FF),
    "independent": stacked(s4(dt_min=0.01, dt_max=1.0), MHA, prenorm=False, norm="batch"),
    "rank_two": stacked(MHA, s4(rank=2, measure="legt", postact=None), residual="affine"),
    "channels": stacked(s4(channels=3, activation="tanh", n_ssm=4), MHA, residual="highway"),
    "diagonal": stacked(
        s4(mode="diag", measure="diag-inv", n_ssm=1), MHA, residual=None, n_repeat=2
    ),
    "zoh": stacked(s4(mode="diag", measure="diag-lin", disc="zoh"), MHA, norm="group"),
    "decay": stacked(s4(), FF, MHA, residual="decay", tie_dropout=True, dropinp=0.1),
    "no_norm": stacked(s4(real_type="softplus"), FF, MHA, prenorm=False, norm=None),
}


def live_decoder(**conf: Any) -> Any:
    """A random decoder whose scores are far from uniform, so that a wrong step shows."""
    torch.manual_seed(0)
    decoder = S4Decoder(V, D, **copy.deepcopy(conf)).eval()
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            spread = 0.1 if ".kernel." in name else 0.3
            parameter.add_(spread * torch.randn_like(parameter))
        # A decoder that was trained has seen lengths, and keeps C in another form for it.
        ys = torch.randint(0, V, (1, 5))
        decoder(torch.randn(1, 4, D), torch.tensor([4]), ys, torch.tensor([5]))
    return decoder


def graphs_of(decoder: Any, conf: dict[str, Any]) -> dict[str, eo.Graph]:
    component = eo.Component("decoder", "decoder", "s4", conf, decoder)
    part = claim_decoder(component)
    assert isinstance(part, eo.Part)
    return dict(decoder_graphs(component, part))


@pytest.mark.parametrize("variant", VARIANTS)
def test_graphs_equal_espnet_utterance_by_utterance(variant: str) -> None:
    conf = VARIANTS[variant]
    decoder = live_decoder(**conf)
    before = snapshot(decoder)
    for name, graph in graphs_of(decoder, conf).items():
        parity = compare(graph, eager(graph), expect(graph))
        assert parity.difference < 1e-5, (name, parity)
    assert not changes(before, snapshot(decoder))


def test_states_matter() -> None:
    """A step that forgot a state, or took another hypothesis's, would show."""
    conf = VARIANTS["recipe"]
    graph = graphs_of(live_decoder(**conf), conf)["step"]
    feed = dict(graph.feed((9, 5)))
    scores = eager(graph)(feed)["log_probs"]
    for name in ("past_state_0", "past_input_0"):
        forgotten = eager(graph)({**feed, name: np.zeros_like(feed[name])})["log_probs"]
        assert np.abs(forgotten - scores).max() > 1e-3, name


@pytest.fixture(scope="module")
def pair() -> Any:
    conf = VARIANTS["recipe"]
    decoder = live_decoder(**conf)
    return decoder, scorer_of("s4", graphs_of(decoder, conf))


@pytest.mark.parametrize("lengths", [[9], [4, 9, 1]])
def test_reordered_hypotheses_equal_what_a_search_gets(pair: Any, lengths: list[int]) -> None:
    decoder, scorer = pair
    rng = np.random.default_rng(1)
    encoder_out = rng.standard_normal((len(lengths), max(lengths), D), dtype=np.float32)
    ready = set_up(decoder)
    xs = [torch.from_numpy(x[:n]) for x, n in zip(encoder_out, lengths, strict=True)]
    states = [[ready.init_state(x)] for x in xs]
    widths = [4, 4, 10, 10, *[3] * 20, 1, 1]
    for tokens, parents, log_probs in walk(scorer, V, rng, encoder_out, lengths, widths):
        for b, x in enumerate(xs):
            chosen = [states[b][i] for i in parents[b]]
            with torch.no_grad():
                wanted, states[b] = ready.batch_score(
                    torch.from_numpy(tokens[b]), chosen, x.expand(len(chosen), -1, -1)
                )
            assert np.abs(log_probs[b] - wanted.numpy()).max() < 1e-4


def set_up(decoder: Any) -> Any:
    """The decoder as ESPnet's inference prepares it."""
    ready = copy.deepcopy(decoder)
    with torch.no_grad():
        for module in ready.modules():
            if hasattr(module, "setup_step"):
                module.setup_step()
    return ready


def test_a_state_can_be_continued_twice(pair: Any) -> None:
    _, scorer = pair
    encoder_out = np.random.default_rng(3).standard_normal((1, 6, D), dtype=np.float32)
    start = scorer.start(encoder_out, np.array([6]))
    _, state = scorer.score(np.array([[[1]]]), start, np.array([[0]]))
    tokens, parents = np.array([[[1, 2], [1, 3]]]), np.zeros((1, 2), np.int64)
    first, after = scorer.score(tokens, state, parents)
    longer = np.concatenate([tokens, np.full((1, 2, 1), 6)], axis=2)
    got, _ = scorer.score(longer, after, np.array([[1, 0]]))
    again, _ = scorer.score(tokens, state, parents)
    assert np.array_equal(first, again)
    assert np.array_equal(got, scorer.score(longer, after, np.array([[1, 0]]))[0])
    assert np.abs(got - scorer.score(longer, after, np.array([[0, 1]]))[0]).max() > 1e-3


def test_answers_are_those_of_espnet(tmp_path: Path) -> None:
    conf = dict(MODELS[0].config["decoder_conf"])
    config = changed(token_list=TOKENS) | {"decoder": "s4", "decoder_conf": conf}
    loaded = loader.load_model(sources.find(write_model(tmp_path, config)))
    scorer = scorer_of("s4", graphs_of(loaded.model.decoder, conf))
    rng = np.random.default_rng(1)
    samples = [rng.normal(0, 0.1, n).astype(np.float32) for n in (1800, 4000, 2500)]
    for beam_size in (3, 10):
        assert_same_answers(loaded, scorer, samples, beam_size=beam_size, ctc_weight=0.3)


@pytest.mark.parametrize(
    ("conf", "word"),
    [
        (stacked(s4(), MHA, pool="pool"), "pool"),
        (stacked(s4(), MHA, transposed=True), "transposed"),
        (stacked(s4(gate=2), MHA), "gate"),
        (stacked(s4(bidirectional=True), MHA), "bidirectional"),
        (stacked(s4(mode="diag", disc="dss"), MHA), "dss"),
        (stacked(s4(), MHA, norm=None), "norm null"),
        (stacked(s4(), MHA, norm={"_name_": "instance"}), "instance"),
        (stacked(s4(), FF), "hears"),
        (stacked(MHA, FF), "wrote"),
        (stacked(s4(), MHA, {"_name_": "lssl"}), "lssl"),
    ],
)
def test_declines_what_espnet_has_no_step_for(conf: dict[str, Any], word: str) -> None:
    answer = claim_decoder(eo.Component("decoder", "decoder", "s4", conf))
    assert isinstance(answer, eo.Declined)
    assert word in answer.reason


@pytest.mark.parametrize("role_and_type", [("decoder", "rnn"), ("encoder", "s4")])
def test_leaves_others_alone(role_and_type: tuple[str, str]) -> None:
    assert claim_decoder(eo.Component("x", *role_and_type)) is None
