"""What a model with style tokens hears, and what a vocoder hears: graphs in torch beside ESPnet."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet_onnx import components
from espnet_onnx.errors import AudioError
from espnet_onnx.parity import compare, expect
from espnet_onnx.testing import feats_stats
from espnet_onnx.tracer import input_names
from espnet_onnx.types import Feed
from espnet_onnx_plugin_tts.reference_graph import reference_graph
from espnet_onnx_plugin_tts.root_claim import claim
from espnet_onnx_plugin_tts.root_export import graphs
from espnet_onnx_plugin_tts.root_runtime import Reference

CONF = {"fs": 8000, "n_fft": 128, "hop_length": 32, "n_mels": 16, "fmin": 80, "fmax": 3600}


def live(tmp_path: Path, normalize: bool = True, **conf: Any) -> Any:
    from espnet2.layers.global_mvn import GlobalMVN
    from espnet2.tts.feats_extract.log_mel_fbank import LogMelFbank

    feats_stats(16)(tmp_path / "stats.npz")
    mvn = GlobalMVN(tmp_path / "stats.npz") if normalize else None
    return SimpleNamespace(feats_extract=LogMelFbank(**{**CONF, **conf}), normalize=mvn)


def difference(graph: Any) -> float:
    def run(feed: Feed) -> Feed:
        names = input_names(graph)
        with torch.no_grad():
            out = graph.module(*(torch.from_numpy(feed[name]) for name in names))
        out = out if isinstance(out, tuple) else (out,)
        return dict(zip(graph.outputs, (x.numpy() for x in out), strict=True))

    return float(compare(graph, run, expect(graph)).difference)


@pytest.mark.parametrize(
    "conf",
    [{}, {"win_length": 100}, {"log_base": None}, {"log_base": 2.0}, {"window": "hamming"}],
)
def test_a_recording_is_heard_as_espnet_hears_it(tmp_path: Path, conf: dict[str, Any]) -> None:
    config = {"sample_rate": 8000, "shortest": 65}
    assert difference(reference_graph(live(tmp_path, **conf), config)) < 1e-4
    assert difference(reference_graph(live(tmp_path, normalize=False, **conf), config)) < 1e-4


def root(module: Any = None, **conf: Any) -> Any:
    config = {"tts": "tacotron2", "feats_extract_conf": CONF, "normalize_conf": {}, **conf}
    return components.root(config, task="tts", module=module)[0]


def test_features_are_denormalized_as_espnet_does(tmp_path: Path) -> None:
    module = live(tmp_path)
    module.tts = None
    component = root(module)
    made = graphs(component, claim(component))
    assert list(made) == ["denormalize", "reference"]
    assert difference(made["denormalize"]) < 1e-5
    with torch.no_grad():
        out = made["denormalize"].module(torch.zeros(1, 2, 16)).numpy()
    np.testing.assert_allclose(out[0, 1], module.normalize.mean.numpy(), rtol=1e-5)


def test_style_tokens_need_fbank() -> None:
    part = claim(root(tts_conf={"use_gst": True}, normalize=None))
    assert part.config["reference"] == {"sample_rate": 8000, "shortest": 65, "hop_length": 32}
    refused = claim(root(tts_conf={"use_gst": True}, feats_extract="linear_spectrogram"))
    assert "use_gst hears a recording by feats_extract fbank alone" in refused.reason


def test_a_recording_that_is_too_short_is_one_line() -> None:
    heard = Reference(lambda **feed: (feed["speech"][..., None], np.array([3])), 8000, 65, 32)  # type: ignore[arg-type]
    assert heard(np.full(80, 0.1, np.float32)).shape == (3, 1)
    with pytest.raises(AudioError, match=r"too short \(64 samples, the model needs 65\)"):
        heard(np.full(64, 0.1, np.float32))
