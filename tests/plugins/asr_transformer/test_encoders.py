"""Encoders `transformer` and `conformer` against ESPnet's own, one utterance at a time."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import onnx_ir as ir
from espnet2.asr.ctc import CTC
from espnet2.asr.encoder.conformer_encoder import ConformerEncoder, check_short_utt
from espnet2.asr.encoder.transformer_encoder import TransformerEncoder

import espnet_onnx as eo
from espnet_onnx.errors import AudioError, ModelError
from espnet_onnx.graphs import runner
from espnet_onnx.parity import compare, expect
from espnet_onnx.runtime import OrtSession
from espnet_onnx_plugin_asr_transformer.encoder_claim import KIND, SHORTEST, claim_encoder
from espnet_onnx_plugin_asr_transformer.encoder_export import encoder_graphs
from espnet_onnx_plugin_asr_transformer.encoder_runtime import build_encoder

from .encoder_checks import eager, lengths, opened

pytestmark = pytest.mark.export

CLASSES = {"conformer": ConformerEncoder, "transformer": TransformerEncoder}
WIDTH, TOKENS = 16, 9
SMALL = {
    "output_size": WIDTH,
    "attention_heads": 2,
    "linear_units": 24,
    "num_blocks": 2,
    "cnn_module_kernel": 7,
}
REL = {"rel_pos_type": "latest"}
ABS = {**REL, "pos_enc_layer_type": "abs_pos", "selfattention_layer_type": "selfattn"}
CONDITIONED = {"num_blocks": 3, "interctc_layer_idx": [1], "interctc_use_conditioning": True}

Variant = tuple[str, dict[str, Any]]
CONFORMERS: list[dict[str, Any]] = [
    *({"input_layer": layer, **REL} for layer in SHORTEST["conformer"]),
    {"input_layer": "conv2d", "macaron_style": True, **REL},
    {"input_layer": "conv2d"},
    {"input_layer": "linear", "macaron_style": True},
    {"zero_triu": True, **REL},
    {"normalize_before": False, "macaron_style": True, **REL},
    {"concat_after": True, "use_cnn_module": False, **REL},
    {"positionwise_layer_type": "conv1d", **REL},
    {
        "positionwise_layer_type": "conv1d-linear",
        "positionwise_conv_kernel_size": 5,
        **REL,
    },
    {"activation_type": "hardtanh", **ABS},
    {"activation_type": "relu", "qk_norm": True, **ABS},
    {**ABS, "activation_type": "selu", "pos_enc_layer_type": "scaled_abs_pos"},
    {**ABS, "activation_type": "tanh", "pos_enc_layer_type": "conv"},
    {**CONDITIONED, "interctc_layer_idx": [1, 2], **REL},
    {"stochastic_depth_rate": 0.5, "layer_drop_rate": 0.5, **REL},
]
TRANSFORMERS: list[dict[str, Any]] = [
    *({"input_layer": layer} for layer in SHORTEST["transformer"]),
    {"input_layer": "linear", "pos_enc_layer_type": "conv"},
    {"input_layer": "wav2vec", "normalize_before": False},
    {"normalize_before": False, "concat_after": True},
    {"qk_norm": True},
    {"positionwise_layer_type": "conv1d", "positionwise_conv_kernel_size": 3},
    CONDITIONED,
]
VARIANTS: list[Variant] = [
    *(("conformer", conf) for conf in CONFORMERS),
    *(("transformer", conf) for conf in TRANSFORMERS),
]
ONNX: list[Variant] = [
    ("conformer", {"input_layer": "conv2d", "macaron_style": True, "num_blocks": 1, **REL}),
    ("conformer", {"input_layer": "linear", "num_blocks": 1}),
    ("transformer", {"input_layer": "conv1d2", **CONDITIONED, "num_blocks": 2}),
]


def component(type_: str, **conf: Any) -> eo.Component:
    """A tiny encoder with nothing left at zero or one, and ESPnet's defaults filled in."""
    torch.manual_seed(0)
    cls = CLASSES[type_]
    parameters = inspect.signature(cls.__init__).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    known = {p.name for p in parameters}
    full = {**defaults, **{k: v for k, v in SMALL.items() if k in known}, **conf}
    size = {"embed": 11, "wav2vec": WIDTH, None: WIDTH}.get(full["input_layer"], 33)
    live = cls(input_size=size, **full).eval()
    if full["interctc_use_conditioning"]:
        live.conditioning_layer = torch.nn.Linear(TOKENS, WIDTH)
    with torch.no_grad():
        for name, tensor in [*live.named_parameters(), *live.named_buffers()]:
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.is_floating_point() and tensor.dim() == 1:
                tensor.add_(torch.randn_like(tensor) * 0.2)
    given = {"input_size": size, "ctc": CTC(TOKENS, WIDTH).eval()}
    return eo.Component("encoder", "encoder", type_, full, live, given)


def claimed(encoder: eo.Component) -> tuple[eo.Part, eo.Graph]:
    part = claim_encoder(encoder)
    assert isinstance(part, eo.Part)
    return part, encoder_graphs(encoder, part)["encoder"]


def checked(graph: eo.Graph, path: Path) -> OrtSession:
    session = opened(graph, path)
    check_products(list(ir.load(path).graph), len(graph.module.blocks))
    return session


def check_products(nodes: list[Any], blocks: int) -> None:
    """Every linear layer and pointwise convolution is a MatMul whose right side is constant."""
    kinds = [n.op_type for n in nodes]
    assert not {"Gemm", "BatchNormalization", "ReduceMean"} & set(kinds)
    assert "LayerNormalization" in kinds
    live = [n for n in nodes if n.op_type == "MatMul" and not n.inputs[1].is_initializer()]
    # scores, [distances,] values
    assert len(live) in {2 * blocks, 3 * blocks}


@pytest.mark.parametrize(("type_", "conf"), VARIANTS)
def test_module_equals_espnet(type_: str, conf: dict[str, Any]) -> None:
    part, graph = claimed(component(type_, **conf))
    parity = eager(graph, lengths(part.config["shortest"]))
    assert parity.difference < 1e-5, parity.worst


@pytest.mark.parametrize("limit", [20, 40])
def test_legacy_positions_on_both_sides_of_the_table(limit: int) -> None:
    _, graph = claimed(component("conformer", input_layer="linear", max_pos_emb_len=limit))
    trials = [(1,), (2,), (19,), (20,), (21,), (41,), (33, 20, 7, 27), (25, 40), (41, 5, 19)]
    assert eager(graph, trials).difference < 1e-5


@pytest.mark.parametrize(("type_", "conf"), ONNX)
def test_graph_equals_espnet(type_: str, conf: dict[str, Any], tmp_path: Path) -> None:
    part, graph = claimed(component(type_, **conf))
    session = checked(graph, tmp_path / "encoder.onnx")
    trials = [*lengths(part.config["shortest"]), (1000,)]
    parity = compare(graph, runner(session, graph), expect(graph, trials))
    assert parity.difference < 1e-5, parity.worst

    node = eo.Node("encoder", KIND, "asr_transformer", config=part.config)
    encoder = build_encoder(node, {}, {"encoder": session}.__getitem__)
    feed = graph.feed((part.config["shortest"], 40))
    encoded = encoder(feed["feats"], feed["feats_lengths"])
    assert list(encoded.inter) == list(part.config["inter"])
    assert encoded.out.shape[1] == encoded.lengths[1]
    if encoder.shortest > 1:
        with pytest.raises(AudioError, match=f"needs {encoder.shortest}"):
            encoder(feed["feats"], feed["feats_lengths"] - 1)


@pytest.mark.slow
@pytest.mark.parametrize(("type_", "conf"), [v for v in VARIANTS if v not in ONNX])
def test_every_graph_equals_espnet(type_: str, conf: dict[str, Any], tmp_path: Path) -> None:
    part, graph = claimed(component(type_, **conf))
    run = runner(checked(graph, tmp_path / "encoder.onnx"), graph)
    parity = compare(graph, run, expect(graph, lengths(part.config["shortest"])))
    assert parity.difference < 1e-5, parity.worst


def test_weights_are_shared_and_the_live_model_is_left_alone() -> None:
    encoder = component("conformer", input_layer="linear", max_pos_emb_len=20)
    before = {name: tensor.clone() for name, tensor in encoder.module.state_dict().items()}
    tables = [m.pe for m in encoder.module.modules() if hasattr(m, "pe")]
    _, graph = claimed(encoder)
    eager(graph, [(50,)])
    live = {id(p) for p in encoder.module.parameters()}
    shared = [p for p in graph.module.parameters() if id(p) in live]
    assert len(shared) == len(list(graph.module.parameters()))
    assert all(p.requires_grad for p in encoder.module.parameters())
    assert [m.pe for m in encoder.module.modules() if hasattr(m, "pe")] == tables
    for name, tensor in encoder.module.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(m.attn is None for m in encoder.module.modules() if hasattr(m, "attn"))


@pytest.mark.parametrize("type_", CLASSES)
def test_shortest_is_what_espnet_accepts(type_: str) -> None:
    for layer, shortest in SHORTEST[type_].items():
        embed = component(type_, input_layer=layer).module.embed
        assert not check_short_utt(embed, shortest)[0]
        assert shortest == 1 or check_short_utt(embed, shortest - 1)[0]


def test_claims_from_the_config_alone() -> None:
    live = component("conformer", **CONDITIONED)
    config_only = eo.Component("encoder", "encoder", "conformer", live.conf)
    part = claim_encoder(config_only)
    assert part == claim_encoder(live)
    assert part == eo.Part(KIND, config={"shortest": 7, "inter": [1], "tokens": False})


@pytest.mark.parametrize(
    ("conf", "reason"),
    [({"ctc_trim": True}, "ctc_trim"), ({"input_layer": "conv3d"}, "conv3d")],
)
def test_declines_with_a_reason(conf: dict[str, Any], reason: str) -> None:
    full = {**component("conformer").conf, **conf}
    answer = claim_encoder(eo.Component("encoder", "encoder", "conformer", full))
    assert isinstance(answer, eo.Declined)
    assert reason in answer.reason


def test_leaves_others_alone() -> None:
    assert claim_encoder(eo.Component("encoder", "encoder", "rnn")) is None
    assert claim_encoder(eo.Component("decoder", "decoder", "transformer")) is None


class Lora(torch.nn.Linear):  # type: ignore[misc, name-defined, unused-ignore]
    """Stands for any layer that computes more than its weight says."""


def test_refuses_what_it_would_compute_wrongly() -> None:
    encoder = component("transformer")
    encoder.module.encoders[0].self_attn.linear_q = Lora(WIDTH, WIDTH)
    with pytest.raises(ModelError, match="Lora"):
        claimed(encoder)


def test_needs_to_be_given_what_it_cannot_know() -> None:
    encoder = component("transformer", **CONDITIONED)
    for missing in ("ctc", "input_size"):
        given = {k: v for k, v in encoder.given.items() if k != missing}
        parts = (encoder.name, encoder.role, encoder.type, encoder.conf, encoder.module, given)
        with pytest.raises(ModelError, match=missing.upper() if missing == "ctc" else missing):
            claimed(eo.Component(*parts))


def test_padding_reaches_no_valid_frame() -> None:
    _, graph = claimed(component("conformer", input_layer="linear", macaron_style=True, **REL))
    feed = graph.feed((9, 30))
    feats, sizes = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
    with torch.no_grad():
        one = graph.module(feats, sizes)[0]
        feats[0, 9:] = 1e3
        other = graph.module(feats, sizes)[0]
    assert np.array_equal(one[0, :9].numpy(), other[0, :9].numpy())
