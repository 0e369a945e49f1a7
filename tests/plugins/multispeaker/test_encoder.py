"""The multi-speaker encoder against ESPnet's, in every variant of its config."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.encoder.transformer_encoder_multispkr import TransformerEncoder

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx_plugin_multispeaker.encoder_claim import claim_encoder
from espnet_onnx_plugin_multispeaker.encoder_export import encoder_graphs

from ..asr_transformer.encoder_checks import eager, lengths

WIDTH = 20
SMALL: dict[str, Any] = {
    "output_size": 16,
    "attention_heads": 2,
    "linear_units": 24,
    "num_blocks": 2,
    "num_blocks_sd": 1,
    "num_inf": 2,
    "input_layer": "conv2d",
}


def made(**conf: Any) -> eo.Component:
    conf = {**SMALL, **conf}
    size = WIDTH if conf["input_layer"] is not None else conf["output_size"]
    torch.manual_seed(0)
    live = TransformerEncoder(size, **conf).eval()
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return eo.Component(
        "encoder",
        "multispeaker_encoder",
        "transformer_multispkr",
        conf,
        live,
        {"input_size": size},
    )


@pytest.mark.parametrize(
    "conf",
    [
        {},
        {"num_inf": 3, "num_blocks_sd": 2},
        {"num_inf": 1},
        {"input_layer": "conv2d1"},
        {"input_layer": "conv2d2"},
        {"input_layer": "conv2d6"},
        {"input_layer": "conv2d8", "output_size": 32},
        {"input_layer": "linear"},
        {"input_layer": None},
        {"normalize_before": False},
        {"concat_after": True},
        {"positionwise_layer_type": "conv1d", "positionwise_conv_kernel_size": 3},
        {"positionwise_layer_type": "conv1d-linear", "positionwise_conv_kernel_size": 3},
    ],
    ids=str,
)
def test_parity(conf: dict[str, Any]) -> None:
    component = made(**conf)
    part = claim_encoder(component)
    assert isinstance(part, eo.Part)
    graph = encoder_graphs(component, part)["encoder"]
    parity = eager(graph, lengths(max(part.config["shortest"], 3)))
    assert parity.difference < 2e-5, parity


def test_speakers_differ() -> None:
    component = made()
    part = claim_encoder(component)
    assert isinstance(part, eo.Part)
    graph = encoder_graphs(component, part)["encoder"]
    out = graph.reference(graph.feed([20]))["encoder_out"]
    assert abs(out[:, 0] - out[:, 1]).max() > 0.1


def test_an_unknown_width_is_told() -> None:
    component = made()
    part = claim_encoder(component)
    assert isinstance(part, eo.Part)
    lost = eo.Component("encoder", component.role, component.type, SMALL, component.module)
    with pytest.raises(ModelError, match="input_size is unknown"):
        encoder_graphs(lost, part)
