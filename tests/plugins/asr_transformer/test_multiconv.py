"""Encoder `multiconv_conformer` against ESPnet's own, one utterance at a time."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.ctc import CTC
from espnet2.asr.encoder.multiconvformer_encoder import MultiConvConformerEncoder

import espnet_onnx as eo
from espnet_onnx.graphs import runner
from espnet_onnx.parity import compare, expect
from espnet_onnx_plugin_asr_transformer.encoder_export import encoder_graphs
from espnet_onnx_plugin_asr_transformer.multiconv_claim import KIND, claim_multiconv

from .encoder_checks import eager, lengths, opened

pytestmark = pytest.mark.export

WIDTH, TOKENS = 16, 9
SMALL = {
    "output_size": WIDTH,
    "attention_heads": 2,
    "linear_units": 24,
    "cgmlp_linear_units": 24,
    "multicgmlp_kernel_sizes": "3,5,9",
    "multicgmlp_merge_conv_kernel": 7,
    "num_blocks": 2,
}
LATEST = {"rel_pos_type": "latest"}
VARIANTS: list[dict[str, Any]] = [
    {**LATEST, "macaron_style": True},
    {"input_layer": "linear"},
    {**LATEST, "multicgmlp_type": "concat", "input_layer": "embed"},
    {**LATEST, "multicgmlp_type": "sum"},
    {**LATEST, "multicgmlp_type": "sum", "multicgmlp_use_non_linear": False},
    {**LATEST, "multicgmlp_type": "weighted_sum", "input_layer": "linear"},
    {**LATEST, "multicgmlp_kernel_sizes": 7, "use_linear_after_conv": True},
    {**LATEST, "gate_activation": "tanh", "activation_type": "relu", "normalize_before": False},
    {**LATEST, "interctc_layer_idx": [1], "interctc_use_conditioning": True},
    {**LATEST, "use_cnn_module": False},
]


def component(**conf: Any) -> eo.Component:
    """A tiny encoder with nothing left at zero or one, and ESPnet's defaults filled in."""
    torch.manual_seed(0)
    parameters = inspect.signature(MultiConvConformerEncoder.__init__).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    full = {**defaults, **SMALL, **conf}
    size = {"embed": 11}.get(full["input_layer"], 33)
    live = MultiConvConformerEncoder(input_size=size, **full).eval()
    if full["interctc_use_conditioning"]:
        live.conditioning_layer = torch.nn.Linear(TOKENS, WIDTH)
    with torch.no_grad():
        for name, tensor in live.named_parameters():
            # ESPnet starts the gates near a constant, where a wrong convolution would not show.
            spread = 0.3 if "csgu" in name else 0.2 * (tensor.dim() == 1)
            tensor.add_(torch.randn_like(tensor) * spread)
    given = {"input_size": size, "ctc": CTC(TOKENS, WIDTH).eval()}
    return eo.Component("encoder", "encoder", "multiconv_conformer", full, live, given)


def claimed(encoder: eo.Component) -> tuple[eo.Part, eo.Graph]:
    part = claim_multiconv(encoder)
    assert isinstance(part, eo.Part)
    return part, encoder_graphs(encoder, part)["encoder"]


@pytest.mark.parametrize("conf", VARIANTS)
def test_module_equals_espnet(conf: dict[str, Any]) -> None:
    part, graph = claimed(component(**conf))
    parity = eager(graph, lengths(part.config["shortest"]))
    assert parity.difference < 1e-5, parity.worst


@pytest.mark.parametrize("type_", ["concat_fusion", "weighted_sum"])
def test_graph_equals_espnet(type_: str, tmp_path: Path) -> None:
    conf = {"num_blocks": 1, "input_layer": "linear", "multicgmlp_type": type_, **LATEST}
    part, graph = claimed(component(**conf))
    session = opened(graph, tmp_path / "encoder.onnx")
    trials = [*lengths(part.config["shortest"]), (500,)]
    parity = compare(graph, runner(session, graph), expect(graph, trials))
    assert parity.difference < 1e-5, parity.worst


def test_claims_from_the_config_alone() -> None:
    conf = component().conf
    part = claim_multiconv(eo.Component("encoder", "encoder", "multiconv_conformer", conf))
    assert part == eo.Part(KIND, config={"shortest": 7, "inter": [], "tokens": False})


@pytest.mark.parametrize("conf", [{"multicgmlp_type": "mean"}, {"input_layer": "conv1d1"}], ids=str)
def test_declines_with_a_reason(conf: dict[str, str]) -> None:
    full = {**component().conf, **conf}
    answer = claim_multiconv(eo.Component("encoder", "encoder", "multiconv_conformer", full))
    assert isinstance(answer, eo.Declined)
    assert all(value in answer.reason for value in conf.values())


def test_leaves_others_alone() -> None:
    assert claim_multiconv(eo.Component("encoder", "encoder", "conformer")) is None
