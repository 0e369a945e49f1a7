"""Encoders `rnn` and `vgg_rnn` against ESPnet's own, one utterance at a time."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.encoder.rnn_encoder import RNNEncoder
from espnet2.asr.encoder.vgg_rnn_encoder import VGGRNNEncoder

import espnet_onnx as eo
from espnet_onnx.errors import AudioError, ModelError
from espnet_onnx.graphs import runner
from espnet_onnx.parity import compare, expect
from espnet_onnx_plugin_rnn import KINDS, build_runtime, export_module, split_modules

from .decoders import open_graph

pytestmark = pytest.mark.export

CLASSES = {"rnn": RNNEncoder, "vgg_rnn": VGGRNNEncoder}
SMALL = {"num_layers": 2, "hidden_size": 5, "output_size": 6}

# Both rnn_types, both stacks, one direction and two, every way to leave out frames; the
# conformance kit has two more.
VARIANTS: list[Any] = [
    ("rnn", {"rnn_type": "gru", "subsample": [1, 3], "bidirectional": False, "dropout": 0.5}),
    ("rnn", {"num_layers": 3, "use_projection": False, "bidirectional": False, "subsample": None}),
    ("vgg_rnn", {"in_channel": 2}),
    pytest.param("rnn", {"num_layers": 3, "dropout": 0.5}, marks=pytest.mark.slow),
    pytest.param("rnn", {"rnn_type": "gru", "use_projection": False}, marks=pytest.mark.slow),
    pytest.param("vgg_rnn", {"rnn_type": "gru", "bidirectional": False}, marks=pytest.mark.slow),
]


def component(type_: str, **conf: Any) -> eo.Component:
    """A tiny encoder with ESPnet's defaults filled in; its features are few and odd."""
    torch.manual_seed(0)
    cls = CLASSES[type_]
    parameters = inspect.signature(cls.__init__).parameters.values()
    full = {p.name: p.default for p in parameters if p.default is not p.empty} | SMALL | conf
    size = 7 * full.get("in_channel", 1)
    live = cls(input_size=size, **full).eval()
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return eo.Component("encoder", "encoder", type_, full, live, {"input_size": size})


def claimed(encoder: eo.Component) -> tuple[eo.Part, eo.Graph]:
    part = split_modules(encoder)
    assert isinstance(part, eo.Part)
    graphs = export_module(encoder, part)
    assert graphs is not None
    return part, graphs["encoder"]


@pytest.mark.parametrize(("type_", "conf"), VARIANTS)
def test_a_ragged_batch_equals_espnet_one_by_one(
    type_: str, conf: dict[str, Any], tmp_path: Path
) -> None:
    encoder = component(type_, **conf)
    before = {name: tensor.clone() for name, tensor in encoder.module.state_dict().items()}
    part, graph = claimed(encoder)
    session = open_graph(graph, tmp_path / "encoder.onnx")
    s = part.config["shortest"]
    trials = [(s,), (2 * s + 4,), (2 * s + 5,), (s, s + 1, 3 * s + 2), (s + 6, 40, s, 200, 33)]
    parity = compare(graph, runner(session, graph), expect(graph, trials))
    assert parity.difference < 1e-5, parity.worst
    after = encoder.module.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())

    feed = graph.feed((s, 40))
    node = eo.Node("encoder", part.kind, "rnn", config=part.config)
    runtime = build_runtime(node, {"encoder": session}.__getitem__)
    encoded = runtime(feed["feats"], feed["feats_lengths"])
    assert not encoded.inter
    assert encoded.out.shape[:2] == (2, encoded.lengths[1])
    with pytest.raises(AudioError, match=f"needs {s}"):
        runtime(feed["feats"], feed["feats_lengths"] - s)


@pytest.mark.parametrize("factors", [[2, 2], [3, 1], [1, 3], [3, 3], [4, 2]])
def test_shortest_is_what_espnet_accepts(factors: list[int]) -> None:
    encoder = component("rnn", subsample=factors)
    part, graph = claimed(encoder)
    shortest = part.config["shortest"]
    feed = graph.feed((shortest,))
    assert graph.reference(feed)["encoder_out_lengths"] == [1]
    if shortest > 1:
        try:
            frames = graph.reference(graph.feed((shortest - 1,)))["encoder_out_lengths"]
        except RuntimeError:  # a packed sequence must not be empty
            return
        assert frames == [0]


def test_dropout_that_espnet_leaves_on_is_off() -> None:
    encoder = component("rnn", dropout=0.5)
    _, graph = claimed(encoder)
    feed = graph.feed((20,))
    once, twice = graph.reference(feed), graph.reference(feed)
    assert np.array_equal(once["encoder_out"], twice["encoder_out"])
    assert encoder.module.enc[0].dropout == 0.5


@pytest.mark.parametrize(("type_", "kind"), list(zip(CLASSES, KINDS, strict=False)))
def test_claims_from_the_config_alone(type_: str, kind: str) -> None:
    live = component(type_)
    part = split_modules(eo.Component("encoder", "encoder", type_, live.conf))
    assert part == split_modules(live)
    assert part == eo.Part(kind, config={"shortest": 1})


def test_declines_and_leaves_alone() -> None:
    answer = split_modules(eo.Component("encoder", "encoder", "vgg_rnn", {"rnn_type": "rnn"}))
    assert isinstance(answer, eo.Declined)
    assert "rnn_type rnn" in answer.reason
    assert split_modules(eo.Component("separator", "separator", "rnn")) is None
    assert split_modules(eo.Component("encoder", "encoder", "conformer")) is None


def test_says_what_it_cannot_export() -> None:
    vgg = component("vgg_rnn")
    with pytest.raises(ModelError, match="input_size is unknown"):
        claimed(eo.Component(vgg.name, vgg.role, vgg.type, vgg.conf, vgg.module))
    rnn = component("rnn")
    rnn.module.enc[0] = torch.nn.ModuleList([rnn.module.enc[0].birnn0])
    with pytest.raises(ModelError, match="recurrent encoder ModuleList has no graph"):
        claimed(rnn)
