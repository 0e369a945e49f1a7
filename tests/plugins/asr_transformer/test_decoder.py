"""The Transformer decoder against ESPnet's own, on tiny random models."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("espnet2")

from espnet2.asr.decoder.transformer_decoder import TransformerDecoder

import espnet_onnx as eo
from espnet_onnx import optimizer
from espnet_onnx.graphs import runner
from espnet_onnx.parity import compare, expect
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.tracer import input_names, trace
from espnet_onnx_plugin_asr_transformer.decoder_claim import KINDS, claim_decoder
from espnet_onnx_plugin_asr_transformer.decoder_export import decoder_graphs
from espnet_onnx_plugin_asr_transformer.decoder_runtime import (
    TransformerDecoderScorer,
    build_decoder,
)

pytestmark = pytest.mark.export

V, D, HEADS = 11, 16, 2
CONF = {"attention_heads": HEADS, "linear_units": 24, "num_blocks": 2}
VARIANTS = {
    "default": {},
    "post_norm": {"normalize_before": False, "qk_norm": True},
    "concat_after": {"concat_after": True, "layer_drop_rate": 0.5},
    "sdpa": {"use_sdpa": True},
    "furthest": {
        "concat_after": True,
        "normalize_before": False,
        "qk_norm": True,
        "pos_enc_class": "ScaledPositionalEncoding",
    },
}


def live_decoder(**conf: Any) -> Any:
    """A random decoder whose scores are far from uniform, so that a wrong step shows."""
    torch.manual_seed(0)
    if "pos_enc_class" in conf:
        default = inspect.signature(TransformerDecoder).parameters["pos_enc_class"].default
        module = importlib.import_module(default.__module__)
        conf["pos_enc_class"] = getattr(module, conf["pos_enc_class"])
    decoder = TransformerDecoder(V, D, **CONF, **conf).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return decoder


def graphs_of(decoder: Any) -> dict[str, eo.Graph]:
    component = eo.Component("decoder", "decoder", "transformer", CONF, decoder)
    part = claim_decoder(component)
    assert isinstance(part, eo.Part)
    return dict(decoder_graphs(component, part))


def open_graph(graph: eo.Graph, path: Path) -> OrtSession:
    model, _ = optimizer.fuse(trace(graph), [])
    optimizer.save(model, path)
    return OrtSession(path, session_options(1), ["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def decoder() -> Any:
    return live_decoder()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("decoder")


@pytest.fixture(scope="module")
def sessions(decoder: Any, folder: Path) -> dict[str, OrtSession]:
    return {n: open_graph(g, folder / f"{n}.onnx") for n, g in graphs_of(decoder).items()}


@pytest.fixture(scope="module")
def scorer(sessions: dict[str, OrtSession]) -> TransformerDecoderScorer:
    node = eo.Node("decoder", KINDS[0], "asr_transformer")
    return build_decoder(node, {}, sessions.__getitem__)


@pytest.mark.parametrize("name", ["memory", "step"])
def test_graphs_equal_espnet_utterance_by_utterance(
    decoder: Any, sessions: dict[str, OrtSession], name: str
) -> None:
    before = {key: tensor.clone() for key, tensor in decoder.state_dict().items()}
    graph = graphs_of(decoder)[name]
    parity = compare(graph, runner(sessions[name], graph), expect(graph))
    assert parity.difference < 1e-5, parity
    after = decoder.state_dict()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_equal_espnet(variant: str) -> None:
    conf = VARIANTS[variant]
    if "use_sdpa" in conf and "use_sdpa" not in inspect.signature(TransformerDecoder).parameters:
        pytest.skip("this ESPnet's decoder has no use_sdpa")
    for name, graph in graphs_of(live_decoder(**conf)).items():
        parity = compare(graph, eager(graph), expect(graph))
        assert parity.difference < 1e-5, (name, parity)


def test_the_furthest_variant_exports(tmp_path: Path) -> None:
    graph = graphs_of(live_decoder(**VARIANTS["furthest"]))["step"]
    session = open_graph(graph, tmp_path / "step.onnx")
    assert compare(graph, runner(session, graph), expect(graph)).difference < 1e-5


def eager(graph: eo.Graph) -> Any:
    """The export-friendly module itself, as `compare` calls it."""

    def run(feed: Any) -> dict[str, Any]:
        with torch.no_grad():
            out = graph.module(*(torch.from_numpy(feed[n]) for n in input_names(graph)))
        return {n: t.numpy() for n, t in zip(graph.outputs, out, strict=True)}

    return run


def test_step_multiplies_constant_matrices_only(
    sessions: dict[str, OrtSession], folder: Path
) -> None:
    graph = onnx.load(folder / "step.onnx").graph
    weights = {tensor.name for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMul"]
    constant = [node for node in products if node.input[1] in weights]
    # a block: q/k/v in one, self out, cross query, cross out, two of the feed-forward
    assert len(constant) == 6 * CONF["num_blocks"] + 1
    assert len(products) - len(constant) == 4 * CONF["num_blocks"]
    assert not [node for node in graph.node if node.op_type in ("Gemm", "Loop", "If", "GatherND")]


def espnet_scores(decoder: Any, tokens: Any, encoder_out: Any, lengths: Any) -> Any:
    """`batch_score` of whole prefixes (B, H, U), one utterance at a time, nothing cached."""
    scores = []
    for prefix, memory, length in zip(tokens, encoder_out, lengths, strict=True):
        xs = torch.from_numpy(memory[:length]).expand(len(prefix), -1, -1)
        with torch.no_grad():
            log_probs, _ = decoder.batch_score(torch.from_numpy(prefix), [None], xs)
        scores.append(log_probs.numpy())
    return np.stack(scores)


def walk(scorer: Any, rng: Any, encoder_out: Any, lengths: Any, beams: list[int]) -> Any:
    """Grow hypotheses from random parents; yields tokens and their scores at every step."""
    batch = len(lengths)
    state = scorer.start(encoder_out, np.asarray(lengths))
    tokens = rng.integers(0, V, (batch, 1, 1))
    parents = np.zeros((batch, 1), np.int64)
    for width in beams:
        log_probs, state = scorer.score(tokens, state, parents)
        yield tokens, log_probs
        parents = rng.integers(0, tokens.shape[1], (batch, width))
        kept = np.take_along_axis(tokens, parents[:, :, None], 1)
        tokens = np.concatenate([kept, rng.integers(0, V, (batch, width, 1))], axis=2)


@pytest.mark.parametrize("lengths", [[9], [4, 9, 1]])
@pytest.mark.parametrize("width", [1, 4, 10])
def test_reordered_hypotheses_equal_batch_score(
    decoder: Any, scorer: Any, lengths: list[int], width: int
) -> None:
    rng = np.random.default_rng(1)
    encoder_out = rng.standard_normal((len(lengths), max(lengths), D), dtype=np.float32)
    # 24 steps of 10 fill the first pool of slots more than twice; the search narrows at the end
    beams = [width] * 22 + [max(1, width - 1), max(1, width - 3)]
    for tokens, log_probs in walk(scorer, rng, encoder_out, lengths, beams):
        wanted = espnet_scores(decoder, tokens, encoder_out, lengths)
        assert log_probs.shape == wanted.shape
        assert np.abs(log_probs - wanted).max() < 1e-4


def test_hypotheses_that_never_share_a_token(decoder: Any, scorer: Any) -> None:
    rng = np.random.default_rng(2)
    encoder_out = rng.standard_normal((1, 6, D), dtype=np.float32)
    state = scorer.start(encoder_out, np.array([6]))
    tokens, parents = np.zeros((1, 8, 1), np.int64), np.zeros((1, 8), np.int64)
    for _ in range(30):
        log_probs, state = scorer.score(tokens, state, parents)
        parents = rng.permutation(8)[None]
        tokens = np.concatenate([tokens[:, parents[0]], rng.integers(0, V, (1, 8, 1))], axis=2)
    log_probs, _ = scorer.score(tokens, state, parents)
    wanted = espnet_scores(decoder, tokens, encoder_out, [6])
    assert np.abs(log_probs - wanted).max() < 1e-4


def test_a_state_can_be_continued_twice(scorer: Any) -> None:
    rng = np.random.default_rng(3)
    encoder_out = rng.standard_normal((1, 6, D), dtype=np.float32)
    _, state = scorer.score(
        np.array([[[1]]]), scorer.start(encoder_out, np.array([6])), np.array([[0]])
    )
    one, two = np.array([[[1, 2], [1, 3]]]), np.array([[[1, 4], [1, 5]]])
    parents = np.zeros((1, 2), np.int64)
    _, after_one = scorer.score(one, state, parents)
    _, after_two = scorer.score(two, state, parents)
    longer = np.concatenate([one, np.full((1, 2, 1), 6)], axis=2)
    got, _ = scorer.score(longer, after_one, np.array([[0, 1]]))
    _, again = scorer.score(one, state, parents)
    wanted, _ = scorer.score(longer, again, np.array([[0, 1]]))
    assert np.abs(got - wanted).max() < 1e-6
    assert np.abs(got - scorer.score(longer, after_two, np.array([[0, 1]]))[0]).max() > 1e-3


def test_600_tokens_and_what_they_hold(decoder: Any, scorer: Any) -> None:
    rng = np.random.default_rng(4)
    encoder_out = rng.standard_normal((1, 5, D), dtype=np.float32)
    for tokens, log_probs in walk(scorer, rng, encoder_out, [5], [2] * 600):
        if tokens.shape[2] in (513, 600):
            wanted = espnet_scores(decoder, tokens, encoder_out, [5])
            assert np.abs(log_probs - wanted).max() < 1e-4


@pytest.mark.parametrize(
    ("conf", "word"),
    [({"input_layer": "linear"}, "linear"), ({"use_output_layer": False}, "output")],
)
def test_declines_what_no_search_can_use(conf: dict[str, Any], word: str) -> None:
    answer = claim_decoder(eo.Component("decoder", "decoder", "transformer", conf))
    assert isinstance(answer, eo.Declined)
    assert word in answer.reason


@pytest.mark.parametrize("role_and_type", [("decoder", "rnn"), ("encoder", "transformer")])
def test_leaves_others_alone(role_and_type: tuple[str, str]) -> None:
    assert claim_decoder(eo.Component("x", *role_and_type)) is None
