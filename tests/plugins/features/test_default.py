"""Frontend `default` against ESPnet's `DefaultFrontend`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
default = pytest.importorskip("espnet2.asr.frontend.default")

from espnet_onnx.errors import AudioError
from espnet_onnx.parity import compare, difference, expect

pytestmark = pytest.mark.export

USUAL: dict[str, Any] = {"fs": "16k", "n_fft": 512, "win_length": 400, "hop_length": 160}
UNCENTRED: dict[str, Any] = {**USUAL, "center": False, "frontend_conf": None}
VARIANTS: list[dict[str, Any]] = [
    {},
    USUAL,
    UNCENTRED,
    {"fs": "8k", "n_fft": 256, "hop_length": 80, "n_mels": 40, "htk": True, "window": "hamming"},
    {"n_fft": 400, "hop_length": 130, "window": None, "normalized": True, "fmin": 80, "fmax": 7600},
]


def espnet(live: Any, speech: np.ndarray) -> np.ndarray:
    """ESPnet's features (T, D) of one utterance (S,) or (S, C)."""
    with torch.no_grad():
        feats, _ = live(torch.from_numpy(speech)[None], torch.tensor([len(speech)]))
    return np.asarray(feats[0])


@pytest.mark.parametrize("conf", VARIANTS)
def test_options(live_component: Any, eager: Any, conf: dict[str, Any]) -> None:
    """Shortest, odd, a ragged batch over noise as padding, 10 s and 60 s."""
    component = live_component("frontend", "default", default.DefaultFrontend, **conf)
    graph, run = eager(component)
    assert compare(graph, run, expect(graph)).difference < 1e-5


@pytest.fixture(scope="module")
def usual(live_component: Any, exported: Any) -> Any:
    component = live_component("frontend", "default", default.DefaultFrontend, **USUAL)
    return component.module, *exported(component)


def test_onnx(usual: Any, through_runtime: Any) -> None:
    _, graph, runtime = usual
    run = through_runtime(graph, runtime)
    assert compare(graph, run, expect(graph)).difference < 1e-5


def test_onnx_without_centring(live_component: Any, exported: Any, through_runtime: Any) -> None:
    component = live_component("frontend", "default", default.DefaultFrontend, **UNCENTRED)
    graph, runtime = exported(component)
    run = through_runtime(graph, runtime)
    assert compare(graph, run, expect(graph)).difference < 1e-5


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e-4, 1e-3, 1.0, 32768.0])
def test_loud_and_quiet(usual: Any, scale: float) -> None:
    """Digital silence, an almost silent room and int16 samples: the log hides none of them."""
    live, _, runtime = usual
    noise = np.random.default_rng(1).normal(0, 1, 5001)
    speech = (scale * np.cumsum(noise) / 20).astype(np.float32)  # falling spectrum, as speech
    feats, _ = runtime(speech[None], np.array([5001]))
    assert difference(feats[0], espnet(live, speech)) < 1e-4


def test_padding_is_zero_and_harmless(usual: Any) -> None:
    """NaN behind an utterance reaches nothing, and frames behind its end are zeros."""
    live, _, runtime = usual
    speech = np.random.default_rng(2).normal(0, 0.1, (2, 3000)).astype(np.float32)
    speech[0, 1000:] = np.nan
    feats, lengths = runtime(speech, np.array([1000, 3000]))
    assert lengths.tolist() == [7, 19]
    assert not feats[0, 7:].any()
    assert difference(feats[0, :7], espnet(live, speech[0, :1000])) < 1e-5


def test_first_channel_of_many(usual: Any) -> None:
    live, _, runtime = usual
    speech = np.random.default_rng(3).normal(0, 0.1, (2000, 3)).astype(np.float32)
    feats, _ = runtime(speech[None], np.array([2000]))
    assert difference(feats[0], espnet(live, speech)) < 1e-5


def test_too_short_is_refused(usual: Any) -> None:
    live, _, runtime = usual
    assert (runtime.sample_rate, runtime.hop_length, runtime.shortest) == (16000, 160, 257)
    with pytest.raises(AudioError, match="256 samples, the frontend needs 257"):
        runtime(np.zeros((1, 256), np.float32), np.array([256]))
    with pytest.raises(RuntimeError):
        espnet(live, np.zeros(256, np.float32))
