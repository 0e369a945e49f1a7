"""Encoders `branchformer` and `e_branchformer` against ESPnet's own, one utterance at a time."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.ctc import CTC
from espnet2.asr.encoder.branchformer_encoder import BranchformerEncoder
from espnet2.asr.encoder.e_branchformer_encoder import EBranchformerEncoder, check_short_utt

import espnet_onnx as eo
from espnet_onnx.graphs import runner
from espnet_onnx.parity import compare, expect
from espnet_onnx_plugin_asr_transformer.branchformer_claim import (
    BRANCHFORMER,
    E_BRANCHFORMER,
    SHORTEST,
    claim_branchformer,
)
from espnet_onnx_plugin_asr_transformer.branchformer_export import branchformer_graphs
from espnet_onnx_plugin_asr_transformer.encoder_runtime import build_encoder

from .encoder_checks import eager, lengths, opened

pytestmark = pytest.mark.export

CLASSES = {"branchformer": BranchformerEncoder, "e_branchformer": EBranchformerEncoder}
WIDTH, TOKENS = 16, 9
SMALL = {
    "output_size": WIDTH,
    "attention_heads": 2,
    "linear_units": 24,
    "cgmlp_linear_units": 20,
    "cgmlp_conv_kernel": 7,
    "num_blocks": 2,
}
ABS = {"pos_enc_layer_type": "abs_pos", "attention_layer_type": "selfattn"}
FAST = {"pos_enc_layer_type": "abs_pos", "attention_layer_type": "fast_selfattn"}
LEGACY = {"rel_pos_type": "legacy"}
MACARON = {"use_ffn": True, "macaron_ffn": True}
CONDITIONED = {"num_blocks": 3, "interctc_layer_idx": [1, 2], "interctc_use_conditioning": True}

Variant = tuple[str, dict[str, Any]]
# Without subsampling, ESPnet's `branchformer` has no positions either.
BRANCHFORMERS: list[dict[str, Any]] = [
    *({"input_layer": k, **(ABS if k is None else {})} for k in SHORTEST["branchformer"]),
    LEGACY,
    {"input_layer": "linear", **FAST},
    {**ABS, "qk_norm": True, "pos_enc_layer_type": "scaled_abs_pos"},
    {"zero_triu": True},
    {"use_attn": False},
    {"use_cgmlp": False},
    {"merge_method": "learned_ave", "attn_branch_drop_rate": 0.5},
    {"merge_method": "learned_ave", "input_layer": "linear", **LEGACY},
    {"merge_method": "fixed_ave", "cgmlp_weight": [0.3, 0.6]},
    {"merge_method": "fixed_ave", "cgmlp_weight": [0.0, 1.0]},
    {"use_linear_after_conv": True, "gate_activation": "tanh"},
    {"gate_activation": "swish", "stochastic_depth_rate": 0.5},
]
E_BRANCHFORMERS: list[dict[str, Any]] = [
    *({"input_layer": k} for k in SHORTEST["e_branchformer"]),
    {**LEGACY, **MACARON},
    {"input_layer": "linear", **FAST},
    {**ABS, "qk_norm": True},
    {**ABS, "pos_enc_layer_type": "conv"},
    {**MACARON, "merge_conv_kernel": 5, "ffn_activation_type": "relu"},
    {"use_ffn": True, "use_linear_after_conv": True, "gate_activation": "hardtanh"},
    {"zero_triu": True, "layer_drop_rate": 0.5},
    {**CONDITIONED, "interctc_use_conditioning": False},
    CONDITIONED,
]
VARIANTS: list[Variant] = [
    *(("branchformer", conf) for conf in BRANCHFORMERS),
    *(("e_branchformer", conf) for conf in E_BRANCHFORMERS),
]
ONNX: list[Variant] = [
    ("branchformer", {"merge_method": "learned_ave", "num_blocks": 1}),
    ("branchformer", {"input_layer": "linear", "num_blocks": 1, **FAST}),
    ("e_branchformer", {**MACARON, **CONDITIONED, "interctc_layer_idx": [1], "num_blocks": 2}),
]


def component(type_: str, **conf: Any) -> eo.Component:
    """A tiny encoder with nothing left at zero or one, and ESPnet's defaults filled in."""
    torch.manual_seed(0)
    cls = CLASSES[type_]
    parameters = inspect.signature(cls.__init__).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    full = {**defaults, **{k: v for k, v in SMALL.items() if k in defaults}, **conf}
    size = {"embed": 11, None: WIDTH}.get(full["input_layer"], 33)
    live = cls(input_size=size, **full).eval()
    if full.get("interctc_use_conditioning"):
        live.conditioning_layer = torch.nn.Linear(TOKENS, WIDTH)
    with torch.no_grad():
        for name, tensor in live.named_parameters():
            # ESPnet starts the gates near a constant, where a wrong convolution would not show.
            spread = 0.3 if "conv" in name.split(".") else 0.2 * (tensor.dim() == 1)
            tensor.add_(torch.randn_like(tensor) * spread)
    given = {"input_size": size, "ctc": CTC(TOKENS, WIDTH).eval()}
    return eo.Component("encoder", "encoder", type_, full, live, given)


def claimed(encoder: eo.Component) -> tuple[eo.Part, eo.Graph]:
    part = claim_branchformer(encoder)
    assert isinstance(part, eo.Part)
    return part, branchformer_graphs(encoder, part)["encoder"]


@pytest.mark.parametrize(("type_", "conf"), VARIANTS)
def test_module_equals_espnet(type_: str, conf: dict[str, Any]) -> None:
    part, graph = claimed(component(type_, **conf))
    parity = eager(graph, lengths(part.config["shortest"]))
    assert parity.difference < 1e-5, parity.worst


@pytest.mark.parametrize(("type_", "conf"), ONNX)
def test_graph_equals_espnet(type_: str, conf: dict[str, Any], tmp_path: Path) -> None:
    part, graph = claimed(component(type_, **conf))
    session = opened(graph, tmp_path / "encoder.onnx")
    trials = [*lengths(part.config["shortest"]), (1000,)]
    parity = compare(graph, runner(session, graph), expect(graph, trials))
    assert parity.difference < 1e-5, parity.worst

    node = eo.Node("encoder", part.kind, "asr_transformer", config=part.config)
    encoder = build_encoder(node, {}, {"encoder": session}.__getitem__)
    feed = graph.feed((part.config["shortest"], 40))
    encoded = encoder(feed["feats"], feed["feats_lengths"])
    assert list(encoded.inter) == list(part.config["inter"])
    assert encoded.out.shape[1] == encoded.lengths[1]


@pytest.mark.slow
@pytest.mark.parametrize(("type_", "conf"), VARIANTS)
def test_every_graph_equals_espnet(type_: str, conf: dict[str, Any], tmp_path: Path) -> None:
    part, graph = claimed(component(type_, **conf))
    run = runner(opened(graph, tmp_path / "encoder.onnx"), graph)
    parity = compare(graph, run, expect(graph, lengths(part.config["shortest"])))
    assert parity.difference < 1e-5, parity.worst


@pytest.mark.parametrize("conf", [MACARON, {"input_layer": "linear", **FAST}])
def test_padding_reaches_no_valid_frame(conf: dict[str, Any]) -> None:
    _, graph = claimed(component("e_branchformer", **{"input_layer": "linear", **conf}))
    feed = graph.feed((9, 30))
    feats, sizes = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
    with torch.no_grad():
        one = graph.module(feats, sizes)[0]
        feats[0, 9:] = 1e3
        other = graph.module(feats, sizes)[0]
    assert np.array_equal(one[0, :9].numpy(), other[0, :9].numpy())


def test_legacy_table_of_an_encoder_that_cannot_set_its_length() -> None:
    encoder = component("branchformer", input_layer="linear", num_blocks=1, **LEGACY)
    assert "max_pos_emb_len" not in encoder.conf
    _, graph = claimed(encoder)
    assert eager(graph, [(4999,), (5002,)]).difference < 1e-5


@pytest.mark.parametrize("type_", CLASSES)
def test_the_live_model_is_left_alone(type_: str) -> None:
    encoder = component(type_)
    before = {name: tensor.clone() for name, tensor in encoder.module.state_dict().items()}
    _, graph = claimed(encoder)
    eager(graph, [(50,)])
    live = {id(p) for p in encoder.module.parameters()}
    assert {id(p) for p in graph.module.parameters()} <= live
    for name, tensor in encoder.module.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("type_", CLASSES)
def test_shortest_is_what_espnet_accepts(type_: str) -> None:
    for layer, shortest in SHORTEST[type_].items():
        embed = component(type_, input_layer=layer).module.embed
        assert not check_short_utt(embed, shortest)[0]
        assert shortest == 1 or check_short_utt(embed, shortest - 1)[0]


@pytest.mark.parametrize(
    ("type_", "kind", "inter"),
    [("branchformer", BRANCHFORMER, []), ("e_branchformer", E_BRANCHFORMER, [1, 2])],
)
def test_claims_from_the_config_alone(type_: str, kind: str, inter: list[int]) -> None:
    conf = {**component(type_).conf, **({"interctc_layer_idx": inter} if inter else {})}
    part = claim_branchformer(eo.Component("encoder", "encoder", type_, conf))
    assert part == eo.Part(kind, config={"shortest": 7, "inter": inter, "tokens": False})


@pytest.mark.parametrize(
    ("type_", "conf"),
    [
        ("branchformer", {"input_layer": "conv1d1"}),
        ("branchformer", {"merge_method": "sum"}),
        ("e_branchformer", {"attention_layer_type": "lf_selfattn"}),
        ("e_branchformer", {"pos_enc_layer_type": "rope"}),
    ],
)
def test_declines_with_a_reason(type_: str, conf: dict[str, Any]) -> None:
    full = {**component(type_).conf, **conf}
    answer = claim_branchformer(eo.Component("encoder", "encoder", type_, full))
    assert isinstance(answer, eo.Declined)
    assert all(value in answer.reason for value in conf.values())


def test_leaves_others_alone() -> None:
    assert claim_branchformer(eo.Component("encoder", "encoder", "conformer")) is None
    assert claim_branchformer(eo.Component("decoder", "decoder", "branchformer")) is None
