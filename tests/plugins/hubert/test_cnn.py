"""Frontend `wav2vec_cnn` against ESPnet's own, one utterance at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.frontend.cnn import CNNFrontend

import espnet_onnx as eo
from espnet_onnx import optimizer
from espnet_onnx.errors import AudioError
from espnet_onnx.graphs import runner
from espnet_onnx.parity import Parity, compare, expect
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.tracer import trace
from espnet_onnx.types import Feed
from espnet_onnx_plugin_hubert.cnn_claim import KIND, claim
from espnet_onnx_plugin_hubert.cnn_export import graphs
from espnet_onnx_plugin_hubert.cnn_runtime import build

pytestmark = pytest.mark.export

SHAPES = [(16, 10, 5), (16, 3, 2), (16, 2, 2)]
BASE: dict[str, Any] = {
    "norm_mode": "group_norm",
    "conv_mode": "standard",
    "bias": False,
    "shapes": SHAPES,
    "fs": "16k",
}
DEEP = {"conv_mode": "depth_only"}
NORMED = {"normalize_audio": True, "normalize_output": True}
LAYERS = {"norm_mode": "layer_norm", "bias": True}
VARIANTS: list[dict[str, Any]] = [
    {},
    {"bias": True, **NORMED},
    LAYERS,
    {**LAYERS, "layer_norm_cls": "dim1", **NORMED},
    DEEP,
    {**DEEP, **LAYERS, **NORMED},
]
SHORTEST = 10 + 5 * (2 + 2 * 1)


def component(**changes: Any) -> eo.Component:
    """A frontend with nothing left at zero or one."""
    torch.manual_seed(0)
    conf = {**BASE, **changes}
    live = CNNFrontend(**conf).eval()
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return eo.Component("frontend", "frontend", "wav2vec_cnn", conf, live)


def claimed(frontend: eo.Component) -> tuple[eo.Part, eo.Graph]:
    part = claim(frontend)
    assert isinstance(part, eo.Part)
    return part, graphs(frontend, part)["frontend"]


def eager(graph: eo.Graph, trials: list[tuple[int, ...]]) -> Parity:
    def run(feed: Feed) -> Feed:
        with torch.no_grad():
            out = graph.module(*(torch.from_numpy(feed[n]) for n in ("speech", "speech_lengths")))
        return {name: tensor.numpy() for name, tensor in zip(graph.outputs, out, strict=True)}

    return compare(graph, run, expect(graph, trials))


LENGTHS = [(SHORTEST,), (4001,), (SHORTEST, 3017, 1600), (777, SHORTEST + 1, SHORTEST + 19)]


@pytest.mark.parametrize("changes", VARIANTS)
def test_module_equals_espnet(changes: dict[str, Any]) -> None:
    _, graph = claimed(component(**changes))
    parity = eager(graph, LENGTHS)
    assert parity.difference < 1e-5, parity.worst


def test_graph_equals_espnet(tmp_path: Path) -> None:
    part, graph = claimed(component(**DEEP, **NORMED))
    model, _ = optimizer.fuse(trace(graph), [])
    optimizer.save(model, tmp_path / "frontend.onnx")
    session = OrtSession(tmp_path / "frontend.onnx", session_options(1), ["CPUExecutionProvider"])
    parity = compare(graph, runner(session, graph), expect(graph, [*LENGTHS, (48000,)]))
    assert parity.difference < 1e-5, parity.worst

    node = eo.Node("frontend", KIND, "hubert", config=part.config)
    frontend = build(node, {}, {"frontend": session}.__getitem__)
    speech = np.ones((1, SHORTEST - 1), np.float32)
    with pytest.raises(AudioError, match=str(SHORTEST)):
        frontend(speech, np.array([SHORTEST - 1]))


def test_sizes_are_those_of_the_convolutions() -> None:
    frontend = component()
    part, _ = claimed(frontend)
    assert part.config == {"sample_rate": 16000, "hop_length": 20, "shortest": SHORTEST}
    with torch.no_grad():
        one, lengths = frontend.module(torch.ones(1, SHORTEST), torch.tensor([SHORTEST]))
        two, _ = frontend.module(torch.ones(1, SHORTEST + 20), torch.tensor([SHORTEST + 20]))
    assert (one.shape[1], two.shape[1], int(lengths)) == (1, 2, 1)


def test_padding_reaches_no_valid_frame() -> None:
    _, graph = claimed(component(**NORMED))
    feed = graph.feed((500, 900))
    speech, lengths = (torch.from_numpy(feed[n]) for n in ("speech", "speech_lengths"))
    with torch.no_grad():
        one = graph.module(speech, lengths)[0]
        speech[0, 500:] = float("nan")
        other = graph.module(speech, lengths)[0]
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"conv_mode": "depth_sep"}, "depth_sep"),
        ({"norm_mode": "batch_norm"}, "batch_norm"),
        ({"fs": "fast"}, "fast"),
    ],
)
def test_declines_with_a_reason(changes: dict[str, Any], why: str) -> None:
    answer = claim(eo.Component("frontend", "frontend", "wav2vec_cnn", {**BASE, **changes}))
    assert isinstance(answer, eo.Declined)
    assert why in answer.reason


def test_espnet_cannot_build_what_is_declined() -> None:
    with pytest.raises(AttributeError):
        CNNFrontend(**{**BASE, "conv_mode": "depth_sep"})
