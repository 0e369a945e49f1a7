"""Encoders whose parent reads the blocks' own outputs (`given["hidden_states"]`)."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
from espnet2.asr.encoder.e_branchformer_encoder import EBranchformerEncoder
from espnet2.asr.encoder.transformer_encoder import TransformerEncoder

import espnet_onnx as eo
from espnet_onnx_plugin_asr_transformer import export_module, split_modules

from .encoder_checks import eager

pytestmark = pytest.mark.export

SMALL = {
    "output_size": 16,
    "attention_heads": 2,
    "linear_units": 24,
    "cgmlp_linear_units": 20,
    "cgmlp_conv_kernel": 7,
    "cnn_module_kernel": 3,
    "num_blocks": 3,
    "rel_pos_type": "latest",
}
XEUS = {"attention_layer_type": "selfattn", "pos_enc_layer_type": "conv", "input_layer": None}
HUBERT = {"input_layer": "wav2vec", "pos_enc_layer_type": "conv", "normalize_before": False}


def component(type_: str, cls: Any, **conf: Any) -> eo.Component:
    torch.manual_seed(0)
    parameters = inspect.signature(cls.__init__).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    full = {**defaults, **{k: v for k, v in SMALL.items() if k in defaults}, **conf}
    live = cls(input_size=16, **full).eval()
    with torch.no_grad():
        for tensor in live.parameters():
            tensor.add_(torch.randn_like(tensor) * 0.1)
    given = {"input_size": 16, "hidden_states": [1, 3]}
    return eo.Component("encoder", "encoder", type_, full, live, given)


@pytest.mark.parametrize(
    ("type_", "cls", "conf"),
    [
        ("transformer", TransformerEncoder, HUBERT),
        ("transformer", TransformerEncoder, {"input_layer": "linear"}),
        ("conformer", ConformerEncoder, {"pos_enc_layer_type": "rel_pos"}),
        ("e_branchformer", EBranchformerEncoder, XEUS),
    ],
)
def test_blocks_outputs_are_those_of_espnet(type_: str, cls: Any, conf: dict[str, Any]) -> None:
    encoder = component(type_, cls, **conf)
    part = split_modules(encoder)
    assert isinstance(part, eo.Part)
    assert part.config["inter"] == [1, 3]
    graphs = export_module(encoder, part)
    assert graphs is not None
    graph = graphs["encoder"]
    assert graph.outputs[2:] == ("inter_1", "inter_3")
    parity = eager(graph, [(40,), (51, 23, 88)])
    assert parity.difference < 1e-5, parity.worst
