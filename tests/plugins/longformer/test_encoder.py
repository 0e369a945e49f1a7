"""The Longformer encoder against ESPnet's, whose own attention is written plainly here."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.encoder.longformer_encoder import LongformerEncoder

import espnet_onnx as eo
from espnet_onnx_plugin_longformer import band_attention_export
from espnet_onnx_plugin_longformer.encoder_claim import claim_encoder
from espnet_onnx_plugin_longformer.encoder_export import encoder_graphs

from ..asr_transformer.encoder_checks import eager, lengths

WIDTH = 20
SMALL: dict[str, Any] = {
    "output_size": 16,
    "attention_heads": 2,
    "linear_units": 24,
    "num_blocks": 2,
    "input_layer": "conv2d",
    "cnn_module_kernel": 5,
    "macaron_style": True,
    "attention_windows": [3, 3],
    "attention_dilation": [1, 1],
    "attention_mode": "sliding_chunks",
    "selfattention_layer_type": "lf_selfattn",
    "positionwise_layer_type": "linear",
}


def made(**conf: Any) -> eo.Component:
    conf = {**SMALL, **conf}
    torch.manual_seed(0)
    live = LongformerEncoder(WIDTH, **conf).eval()
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return eo.Component("encoder", "encoder", "longformer", conf, live, {"input_size": WIDTH})


def graph(component: eo.Component) -> eo.Graph:
    part = claim_encoder(component)
    assert isinstance(part, eo.Part), part
    return encoder_graphs(component, part)["encoder"]


@pytest.mark.parametrize(
    "conf",
    [
        {},
        {"attention_windows": [2, 4]},
        {"attention_windows": [1, 1]},
        {"attention_windows": [30, 30]},
        {"attention_mode": "tvm"},
        {"input_layer": "conv2d2"},
        {"input_layer": "conv2d6"},
        {"input_layer": "linear"},
        {"macaron_style": False, "use_cnn_module": False},
        {"normalize_before": False},
    ],
    ids=str,
)
def test_parity(conf: dict[str, Any]) -> None:
    parity = eager(graph(made(**conf)), lengths(11))
    assert parity.difference < 2e-5, parity


def test_windows_that_do_not_divide_each_other_are_tried_where_espnet_runs_too() -> None:
    """Windows of 4 and 6 as in the published model: ESPnet's chunks take multiples of 24 only."""
    uneven = graph(made(attention_windows=[4, 6], attention_mode="tvm"))
    parity = eager(uneven, [tuple(trial) for trial in uneven.trials])
    assert parity.difference < 2e-5, parity


def test_frames_farther_than_the_windows_do_not_matter() -> None:
    """Through two blocks of window 3 and a convolution of 5, frame 0 sees 10 to its right."""
    component = made(input_layer="linear")
    module = graph(component).module
    feats = torch.randn(1, 40, WIDTH)
    other = feats.clone()
    other[:, 20:] += 1.0
    size = torch.tensor([40])
    with torch.no_grad():
        (one, _), (two, _) = module(feats, size), module(other, size)
    assert torch.equal(one[:, :9], two[:, :9])
    assert (one[:, 20:40] - two[:, 20:40]).abs().max() > 0.1


def test_memory_grows_with_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are a chunk's frames by those of three chunks, however long the input."""
    encoder = graph(made())
    shapes: list[tuple[int, ...]] = []
    softmax = torch.softmax

    def spy(scores: Any, axis: int) -> Any:
        shapes.append(tuple(scores.shape))
        return softmax(scores, axis)

    monkeypatch.setattr(band_attention_export.torch, "softmax", spy)
    for frames, chunks in ((30, 2), (300, 26)):
        shapes.clear()
        feed = encoder.feed([frames])
        with torch.no_grad():
            encoder.module(*(torch.from_numpy(array) for array in feed.values()))
        assert shapes == [(1, 2, chunks, 3, 9)] * 2


@pytest.mark.parametrize(
    ("conf", "reason"),
    [
        ({"attention_mode": "sliding_chunks_no_overlap"}, "attention_mode"),
        ({"attention_dilation": [1, 2]}, "attention_dilation"),
        ({"interctc_layer_idx": [1]}, "interctc_layer_idx"),
        ({"positionwise_layer_type": "conv1d"}, "positionwise_layer_type conv1d"),
        ({"input_layer": "embed"}, "input_layer embed"),
    ],
    ids=str,
)
def test_what_is_declined(conf: dict[str, Any], reason: str) -> None:
    component = eo.Component("encoder", "encoder", "longformer", {**SMALL, **conf})
    declined = claim_encoder(component)
    assert isinstance(declined, eo.Declined)
    assert declined.reason.startswith(reason)
