"""Contextual block encoders against ESPnet's own: whole, and chunk by chunk."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.encoder.contextual_block_conformer_encoder import ContextualBlockConformerEncoder
from espnet2.asr.encoder.contextual_block_transformer_encoder import (
    ContextualBlockTransformerEncoder,
)

import espnet_onnx as eo
from espnet_onnx import optimizer
from espnet_onnx.errors import AudioError
from espnet_onnx.parity import Parity, compare, expect
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.tracer import trace
from espnet_onnx.types import Array, Feed
from espnet_onnx_plugin_streaming.encoder_claim import KIND, claim_encoder
from espnet_onnx_plugin_streaming.encoder_export import encoder_graphs
from espnet_onnx_plugin_streaming.encoder_runtime import BlockEncoder, build_encoder

pytestmark = pytest.mark.export

FEATURES, WIDTH = 36, 16
CLASSES = {
    "contextual_block_transformer": ContextualBlockTransformerEncoder,
    "contextual_block_conformer": ContextualBlockConformerEncoder,
}
TRANSFORMER, CONFORMER = CLASSES
SMALL = {
    "output_size": WIDTH,
    "attention_heads": 2,
    "linear_units": 24,
    "num_blocks": 3,
    "cnn_module_kernel": 5,
    "block_size": 10,
    "hop_size": 4,
    "look_ahead": 3,
}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    (TRANSFORMER, {}),
    (TRANSFORMER, {"input_layer": "conv2d6", "ctx_pos_enc": False}),
    (TRANSFORMER, {"input_layer": "linear", "normalize_before": False, "concat_after": True}),
    (TRANSFORMER, {"block_size": 7, "hop_size": 7, "look_ahead": 0}),
    (CONFORMER, {"macaron_style": True}),
    (CONFORMER, {"input_layer": "conv2d8", "use_cnn_module": False, "num_blocks": 1}),
    (CONFORMER, {"normalize_before": False, "activation_type": "relu"}),
    (CONFORMER, {"positionwise_layer_type": "conv1d", "ctx_pos_enc": False}),
    (CONFORMER, {"positionwise_layer_type": "conv1d-linear", "macaron_style": True}),
]
ONNX = [VARIANTS[0], VARIANTS[4]]


def component(type_: str, **conf: Any) -> eo.Component:
    """A tiny encoder with nothing left at zero or one, and ESPnet's defaults filled in."""
    torch.manual_seed(0)
    parameters = inspect.signature(CLASSES[type_].__init__).parameters.values()
    full = {p.name: p.default for p in parameters if p.default is not p.empty}
    full |= {name: value for name, value in SMALL.items() if name in full} | conf
    live = CLASSES[type_](input_size=FEATURES, **full).eval()
    with torch.no_grad():
        for name, tensor in [*live.named_parameters(), *live.named_buffers()]:
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.is_floating_point() and tensor.dim() == 1:
                tensor.add_(torch.randn_like(tensor) * 0.2)
    return eo.Component("encoder", "encoder", type_, full, live, {"input_size": FEATURES})


class Eager:
    """A graph's module as a session."""

    def __init__(self, graph: eo.Graph) -> None:
        self.graph = graph
        self.names = list(inspect.signature(graph.module.forward).parameters)

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        arrays = (torch.from_numpy(np.asarray(feed[name])) for name in self.names)
        with torch.no_grad():
            return tuple(tensor.numpy() for tensor in self.graph.module(*arrays))

    def run(self, feed: Feed) -> Feed:
        out = self(**{name: feed[name] for name in self.names})
        return dict(zip(self.graph.outputs, out, strict=True))


def runtime(encoder: eo.Component, path: Path | None = None) -> BlockEncoder:
    """The encoder over eager modules, or over ONNX graphs written to a folder."""
    part = claim_encoder(encoder)
    assert isinstance(part, eo.Part)
    sessions: dict[str, Any] = {}
    for name, graph in encoder_graphs(encoder, part).items():
        if path is None:
            sessions[name] = Eager(graph)
            continue
        model, _ = optimizer.fuse(trace(graph), [])
        optimizer.save(model, path / f"{name}.onnx")
        sessions[name] = OrtSession(
            path / f"{name}.onnx", session_options(1), ["CPUExecutionProvider"]
        )
    node = eo.Node("encoder", KIND, "streaming", config=part.config)
    return build_encoder(node, sessions.__getitem__)


def whole(live: Any, feats: Array) -> Array:
    """`forward_train` in eval mode, what `Speech2Text` computes: (T, F) -> (T', D)."""
    with torch.no_grad():
        out, lengths, _ = live(torch.from_numpy(feats[None]), torch.tensor([len(feats)]))
    assert lengths[0] == out.shape[1]
    return out[0].numpy()


def features(frames: int) -> Array:
    rng = np.random.default_rng(frames)
    return rng.standard_normal((frames, FEATURES), dtype=np.float32)


def difference(ours: Array, theirs: Array) -> float:
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max(initial=0)) / max(1, np.abs(theirs).max(initial=0))


@pytest.mark.parametrize(("type_", "conf"), VARIANTS)
def test_modules_equal_espnet(type_: str, conf: dict[str, Any]) -> None:
    encoder = component(type_, **conf)
    part = claim_encoder(encoder)
    assert isinstance(part, eo.Part)
    graphs = encoder_graphs(encoder, part)
    s = part.config["shortest"]
    assert parity(graphs["subsample"], [(s,), (s + 1, 3 * s + 2, s)]).difference < 1e-5
    trials = [(1,), (9,), (10,), (11,), (14,), (15, 7, 31, 10), (30, 30, 26, 13, 5), (64, 33)]
    found = parity(graphs["blocks"], trials)
    assert found.difference < 1e-5, found.worst


def parity(graph: eo.Graph, trials: list[tuple[int, ...]]) -> Parity:
    return compare(graph, Eager(graph).run, expect(graph, trials))


@pytest.mark.parametrize(("type_", "conf"), VARIANTS)
def test_a_ragged_batch_equals_whole_utterances(type_: str, conf: dict[str, Any]) -> None:
    encoder = component(type_, **conf)
    ours = runtime(encoder)
    lengths = np.array([211, ours.shortest, 95, 40, 164])
    batch = np.random.default_rng(0).standard_normal((5, 211, FEATURES), dtype=np.float32)
    encoded = ours(batch, lengths)
    for b, n in enumerate(lengths):
        theirs = whole(encoder.module, batch[b, :n])
        assert difference(encoded.out[b, : encoded.lengths[b]], theirs) < 1e-5


@pytest.mark.parametrize(("type_", "conf"), VARIANTS)
@pytest.mark.parametrize("chunks", [[64] * 5, [1, 7, 130, 3, 40, 41, 39], [9] * 20, [300], [33, 0]])
def test_every_chunk_equals_espnet(type_: str, conf: dict[str, Any], chunks: list[int]) -> None:
    check_stream(runtime(component(type_, **conf)), component(type_, **conf).module, chunks)


@pytest.mark.parametrize(("type_", "conf"), ONNX)
def test_graphs_equal_espnet(type_: str, conf: dict[str, Any], tmp_path: Path) -> None:
    encoder = component(type_, **conf)
    ours = runtime(encoder, tmp_path)
    for chunks in ([64] * 8, [1, 7, 130, 3, 40, 41, 39], [20]):
        check_stream(ours, encoder.module, chunks)
    for frames in (7, 30, 44, 501):
        feats = features(frames)
        out = ours(feats[None], np.array([frames])).out[0]
        assert difference(out, whole(encoder.module, feats)) < 1e-5


def check_stream(ours: BlockEncoder, live: Any, chunks: list[int]) -> None:
    """Push chunks of these lengths, the last of them as the last."""
    feats, begin = features(sum(chunks)), 0
    state, theirs_state = ours.start(), None
    for i, size in enumerate(chunks):
        chunk, last = feats[None, begin : begin + size], i == len(chunks) - 1
        begin += size
        with torch.no_grad():
            theirs, _, theirs_state = live(
                torch.from_numpy(chunk),
                torch.tensor([size]),
                theirs_state,
                is_final=last,
                infer_mode=True,
            )
        out, state = ours.push(state, chunk, last)
        assert difference(out, theirs.numpy()) < 1e-5
    assert state == ours.start()


def test_a_stream_keeps_little_and_has_no_longest_length() -> None:
    encoder = component(CONFORMER)
    ours, sizes = runtime(encoder), set()
    state = ours.start()
    for _ in range(60):
        _, state = ours.push(state, features(100)[None], False)
        assert state.feats is not None and state.frames is not None
        sizes.add(state.feats.shape[1] + state.frames.shape[1])
    assert state.first > 300
    assert max(sizes) <= 11 + 10
    # ESPnet's table of positions holds 5,000 and grows; ours are computed
    far, _ = ours.push(attrs.evolve(state, first=200_000), features(100)[None], False)
    assert np.isfinite(far).all()


def test_a_stream_that_ends_too_early() -> None:
    ours = runtime(component(TRANSFORMER))
    with pytest.raises(AudioError, match="needs 7"):
        ours.push(ours.start(), features(6)[None], True)
    with pytest.raises(AudioError, match="needs 7"):
        ours(features(6)[None], np.array([6]))


def test_claims_and_reasons() -> None:
    live = component(CONFORMER)
    config_only = eo.Component("encoder", "encoder", CONFORMER, live.conf)
    assert claim_encoder(config_only) == claim_encoder(live)
    assert claim_encoder(eo.Component("encoder", "encoder", "conformer", live.conf)) is None
    for conf, why in (
        ({"init_average": False}, "init_average"),
        ({"input_layer": "embed"}, "input_layer embed"),
        ({"block_size": 0}, "block_size 0"),
    ):
        answer = claim_encoder(eo.Component("encoder", "encoder", CONFORMER, {**live.conf, **conf}))
        assert isinstance(answer, eo.Declined) and why in answer.reason


def test_the_live_model_is_left_alone() -> None:
    encoder = component(CONFORMER)
    before = {name: tensor.clone() for name, tensor in encoder.module.state_dict().items()}
    embed, table = encoder.module.embed, encoder.module.pos_enc.pe
    part = claim_encoder(encoder)
    assert isinstance(part, eo.Part)
    parity(encoder_graphs(encoder, part)["blocks"], [(50, 20)])
    assert encoder.module.embed is embed and encoder.module.pos_enc.pe is table
    assert all(layer.self_attn.attn is None for layer in encoder.module.encoders)
    for name, tensor in encoder.module.state_dict().items():
        assert torch.equal(tensor, before[name]), name
