"""Post-encoders' options against `espnet2.slu.postencoder`, without exporting them."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
conformer = pytest.importorskip("espnet2.slu.postencoder.conformer_postencoder")
transformer = pytest.importorskip("espnet2.slu.postencoder.transformer_postencoder")

import espnet_onnx as eo
import espnet_onnx_plugin_slu as plugin
from espnet_onnx.parity import compare, expect
from espnet_onnx.types import Feed

pytestmark = pytest.mark.export

SIZES = {"output_size": 12, "attention_heads": 2, "linear_units": 20, "num_blocks": 2}
TRIALS = [(1,), (2,), (9, 1, 14), (37,)]
TRANSFORMER: list[dict[str, Any]] = [
    {},
    {"input_layer": "None", "concat_after": True},
    {"normalize_before": False, "positionwise_layer_type": "conv1d"},
    {"positionwise_layer_type": "conv1d-linear", "positionwise_conv_kernel_size": 3},
]
CONFORMER: list[dict[str, Any]] = [
    {},
    {"macaron_style": True, "cnn_module_kernel": 5, "activation_type": "relu"},
    {"rel_pos_type": "latest", "zero_triu": True, "use_cnn_module": False},
    {"pos_enc_layer_type": "abs_pos", "selfattention_layer_type": "selfattn"},
    {"pos_enc_layer_type": "scaled_abs_pos", "selfattention_layer_type": "selfattn"},
    {
        "input_layer": "None",
        "pos_enc_layer_type": "abs_pos",
        "selfattention_layer_type": "selfattn",
        "normalize_before": False,
        "concat_after": True,
    },
]


def difference(live: Any, type_: str) -> float:
    for parameter in live.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    component = eo.Component("deliberationencoder", "postencoder", type_, module=live)
    part = plugin.split_modules(component)
    assert isinstance(part, eo.Part)
    graph = plugin.export_module(component, part)["postencoder"]

    def run(feed: Feed) -> Feed:
        with torch.no_grad():
            out = graph.module(*(torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths")))
        return {name: tensor.numpy() for name, tensor in zip(graph.outputs, out, strict=True)}

    return compare(graph, run, expect(graph, TRIALS)).difference


@pytest.mark.parametrize("conf", TRANSFORMER)
def test_transformer(conf: dict[str, Any]) -> None:
    torch.manual_seed(0)
    live = transformer.TransformerPostEncoder(input_size=7, **SIZES, **conf).eval()
    assert difference(live, "transformer") < 1e-5


@pytest.mark.parametrize("conf", CONFORMER)
def test_conformer(conf: dict[str, Any]) -> None:
    torch.manual_seed(0)
    live = conformer.ConformerPostEncoder(input_size=12, **SIZES, **conf).eval()
    assert difference(live, "conformer") < 1e-5
