"""Frontend `fused` against ESPnet's own, one utterance at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.frontend.fused import FusedFrontends

import espnet_onnx as eo
from espnet_onnx.errors import AudioError
from espnet_onnx.parity import compare, expect
from espnet_onnx.types import Array, Feed
from espnet_onnx_plugin_hubert.building import untrained
from espnet_onnx_plugin_hubert.fused_claim import claim
from espnet_onnx_plugin_hubert.fused_export import graphs
from espnet_onnx_plugin_hubert.fused_runtime import build

pytestmark = pytest.mark.export

Frontends = list[dict[str, Any]]
SHORT = {"frontend_type": "default", "n_fft": 64, "hop_length": 32, "n_mels": 5}
LONG = {"frontend_type": "default", "n_fft": 128, "hop_length": 96, "n_mels": 9}
ODD = {"frontend_type": "default", "n_fft": 64, "hop_length": 48, "n_mels": 7, "center": False}
VARIANTS: list[Frontends] = [[SHORT, LONG], [LONG, SHORT], [LONG, ODD, SHORT], [ODD]]


def component(frontends: Frontends, **changes: Any) -> eo.Component:
    torch.manual_seed(0)
    conf = {"frontends": frontends, "proj_dim": 6, "fs": 8000, **changes}
    return eo.Component("frontend", "frontend", "fused", conf, FusedFrontends(**conf).eval())


def claimed(frontend: eo.Component) -> tuple[eo.Part, eo.Graph]:
    part = claim(frontend)
    assert isinstance(part, eo.Part)
    return part, graphs(frontend, part)["fusion"]


def eager(graph: eo.Graph, feed: Feed) -> Feed:
    with torch.no_grad():
        out = graph.module(*(torch.from_numpy(feed[name]) for name in graph.module.input_names))
    return {name: tensor.numpy() for name, tensor in zip(graph.outputs, out, strict=True)}


@pytest.mark.parametrize("frontends", VARIANTS)
def test_module_equals_espnet(frontends: Frontends) -> None:
    _, graph = claimed(component(frontends))
    trials = [(7,), (25, 8, 12), (3, 41)]
    parity = compare(graph, lambda feed: eager(graph, feed), expect(graph, trials))
    assert parity.difference < 1e-5, parity.worst


@pytest.mark.parametrize("frontends", VARIANTS)
def test_a_batch_is_what_its_utterances_are_alone(frontends: Frontends) -> None:
    """The whole of it over ESPnet's own frontends, each heard as a runtime hears it."""
    fused = component(frontends)
    part, graph = claimed(fused)
    children = {
        name: Live(child.module, child.conf["hop_length"]) for name, child in part.children.items()
    }
    node = eo.Node("frontend", part.kind, "hubert", config=part.config)
    session: Any = {"fusion": lambda **feed: tuple(eager(graph, feed).values())}
    frontend = build(node, children, session.__getitem__)
    assert frontend.sample_rate == 8000
    assert frontend.hop_length == math.gcd(*(f["hop_length"] for f in frontends))

    speech = np.random.default_rng(0).normal(0, 0.1, (3, 1001)).astype(np.float32)
    lengths = np.array([1001, 640, 333])
    feats, frames = frontend(speech, lengths)
    for row, n, samples, length in zip(feats, frames, speech, lengths, strict=True):
        with torch.no_grad():
            one = torch.from_numpy(samples[None, :length])
            want, want_length = fused.module(one, torch.tensor([length]))
        assert n == want_length == want.shape[1]
        np.testing.assert_allclose(row[:n], want[0], atol=1e-5)


class Live:
    """A live frontend of ESPnet as a runtime that hears every utterance alone."""

    shortest = 65

    def __init__(self, live: Any, hop_length: int) -> None:
        self.live, self.hop_length = live, hop_length

    def __call__(self, speech: Array, lengths: Array) -> tuple[Array, Array]:
        if lengths.min() < self.shortest:
            raise AudioError("too short")
        with torch.no_grad():
            alone = [
                self.live(torch.from_numpy(row[None, :n]), torch.tensor([n]))[0][0].numpy()
                for row, n in zip(speech, lengths, strict=True)
            ]
        frames = np.array([len(feats) for feats in alone])
        feats = np.full((len(alone), frames.max(), alone[0].shape[1]), 9, np.float32)
        for row, own in zip(feats, alone, strict=True):
            row[: len(own)] = own
        return feats, frames


def test_the_live_model_is_left_as_it_was() -> None:
    fused = component([SHORT, LONG])
    _, graph = claimed(fused)
    before = [dict(vars(module)) for module in fused.module.modules()]
    eager(graph, graph.feed((9, 4)))
    expect(graph, [(9, 4)])
    assert [dict(vars(module)) for module in fused.module.modules()] == before


def test_it_is_built_on_the_cpu_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = FusedFrontends.__init__
    with untrained():
        built = FusedFrontends([SHORT, LONG], fs=8000)
    assert {parameter.device.type for parameter in built.parameters()} == {"cpu"}
    assert torch.cuda.is_available()
    assert FusedFrontends.__init__ is before


def test_its_frontends_have_the_defaults_that_espnet_gives_them() -> None:
    named = {"frontend_type": "default", "frontend_conf": {"use_wpe": True}, "fs": 5}
    ssl = {
        "frontend_type": "s3prl",
        "frontend_conf": {"upstream": "xlsr_53"},
        "download_dir": "./hub",
        "multilayer_feature": True,
    }
    conf = {"frontends": [named, ssl], "proj_dim": 200, "fs": 8000}
    part = claim(eo.Component("x", "frontend", "fused", conf, base=Path("there")))
    assert isinstance(part, eo.Part)
    default, upstream = part.children.values()
    assert (default.name, default.role, default.type) == ("frontend_0", "frontend", "default")
    live = FusedFrontends([named], fs=8000).frontends[0]
    assert default.conf["hop_length"] == live.hop_length
    assert default.conf["n_mels"] == live.output_size()
    assert (default.conf["fs"], default.conf["n_fft"]) == (8000, live.stft.n_fft)
    # It hands neither of these on.
    assert not default.conf["frontend_conf"]["use_wpe"]
    assert (upstream.name, upstream.type, upstream.base) == ("frontend_1", "s3prl", Path("there"))
    assert upstream.conf["frontend_conf"] == {"upstream": "xlsr_53"}
    assert upstream.conf["multilayer_feature"] is True
    assert upstream.conf["layer"] == -1


@pytest.mark.parametrize(
    ("conf", "why"),
    [
        ({"frontends": []}, "none"),
        ({"frontends": [{"frontend_type": "whisper"}]}, "whisper"),
        ({"frontends": [SHORT], "align_method": "crop"}, "crop"),
        ({"frontends": [SHORT], "fs": "fast"}, "fast"),
    ],
)
def test_declines_with_a_reason(conf: dict[str, Any], why: str) -> None:
    answer = claim(eo.Component("frontend", "frontend", "fused", conf))
    assert isinstance(answer, eo.Declined)
    assert why in answer.reason


def test_takes_what_the_most_demanding_frontend_takes() -> None:
    part, _ = claimed(component([SHORT, LONG]))

    def short(samples: int) -> Any:
        frontend = Live(None, 32)
        frontend.shortest = samples
        return frontend

    children: Sequence[Any] = [short(33), short(65)]
    node = eo.Node("frontend", part.kind, "hubert", config=part.config)
    named = {f"frontend_{i}": child for i, child in enumerate(children)}
    assert build(node, named, lambda name: None).shortest == 65  # type: ignore[arg-type,return-value]
