"""The postencoder `length_adaptor` against ESPnet's, at every remainder of its ratio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
adaptor = pytest.importorskip("espnet2.asr.postencoder.length_adaptor_postencoder")

import espnet_onnx as eo
import espnet_onnx_plugin_asr_transformer as plugin
from espnet_onnx.errors import AudioError

from .encoder_checks import eager, opened

pytestmark = pytest.mark.export

VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "halved": {"length_adaptor_n_layers": 1},
    "an eighth": {"length_adaptor_n_layers": 3},
    "projected": {"length_adaptor_n_layers": 2, "input_layer": "linear", "output_size": 6},
    "projected alone": {"input_layer": "linear", "output_size": 6},
}


def claimed(conf: dict[str, Any]) -> tuple[eo.Component, eo.Part]:
    torch.manual_seed(0)
    live = adaptor.LengthAdaptorPostEncoder(8, **conf).eval()
    conf = {"length_adaptor_n_layers": 0, **conf}
    component = eo.Component("postencoder", "postencoder", "length_adaptor", conf, live)
    part = plugin.split_modules(component)
    assert isinstance(part, eo.Part)
    return component, part


@pytest.mark.parametrize("name", VARIANTS)
def test_options(name: str) -> None:
    component, part = claimed(VARIANTS[name])
    graph = plugin.export_module(component, part)["postencoder"]
    ratio = part.config["ratio"]
    lengths = [ratio + n for n in range(ratio)]
    trials = [(ratio,), (*lengths, 5 * ratio - 1), (5 * ratio + 1, ratio, 3 * ratio)]
    assert eager(graph, trials).difference < 1e-5


def test_onnx_and_what_is_too_short(tmp_path: Path) -> None:
    component, part = claimed(VARIANTS["projected"])
    graph = plugin.export_module(component, part)["postencoder"]
    session = opened(graph, tmp_path / "graph.onnx")
    node = eo.Node("postencoder", part.kind, "asr_transformer", part.config)
    runtime = plugin.build_runtime(node, {}, {"postencoder": session}.__getitem__)
    feats = np.random.default_rng(0).standard_normal((3, 11, 8), dtype=np.float32)
    out, lengths = runtime(feats, np.array([11, 4, 7]))
    assert (out.shape, lengths.tolist()) == ((3, 2, 6), [2, 1, 1])
    with torch.no_grad():
        want, _ = component.module(torch.from_numpy(feats[1:2, :4]), torch.tensor([4]))
    np.testing.assert_allclose(out[1:2, :1], want.numpy(), atol=1e-5)
    with pytest.raises(AudioError, match="3 encoder frames, the length adaptor needs 4"):
        runtime(feats, np.array([11, 3, 7]))
    with pytest.raises(Exception, match="too short for subsampling"):
        component.module(torch.zeros(1, 3, 8), torch.tensor([3]))
