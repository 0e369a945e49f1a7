"""What an export writes, and that the live model comes back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import espnet_onnx as eo

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet_onnx.export import export
from espnet_onnx.runtime import load

from .one_layer import WIDTH, manager


def test_a_bundle_says_what_it_is(live: Any, target: Path, tmp_path: Path) -> None:
    (tmp_path / "bpe.model").write_bytes(b"pieces")
    part = eo.Part(
        "layer.root",
        config={"size": 3, "decoding": {"beam_size": 7, "nbest": 1}, "limits": {"seconds": 30}},
        files={"bpe": tmp_path / "bpe.model"},
    )
    used = manager(part=part)
    made = export(live, target, task="asr", manager=used, decoding={"nbest": 2}, threads=1)
    manifest = made.manifest
    assert (manifest.tree.kind, manifest.tree.plugin) == ("layer.root", "layer")
    assert manifest.tree.config == {"size": 3}
    assert manifest.decoding == {"beam_size": 7, "nbest": 2}
    assert manifest.limits == {"seconds": 30}
    assert manifest.parity == "passed"
    assert manifest.plugins == {
        "layer": {"distribution": "espnet-onnx-plugin-layer", "version": "0.1"}
    }
    assert {"espnet", "torch", "onnx", "onnxruntime", "opset"} <= manifest.versions.keys()
    assert set(manifest.files) == {"files/bpe", "graphs/layer.fp32.onnx"}
    assert (target / "files/bpe").read_bytes() == b"pieces"
    report = manifest.tree.graphs["layer"].report
    assert report["fp32"]["difference"] < 1e-5
    assert report["fp32"]["trials"] == [[5, 2, 9], [3]]


def test_it_runs_at_other_sizes(live: Any, target: Path) -> None:
    used = manager()
    export(live, target, task="asr", manager=used, threads=1)
    x = np.random.default_rng(1).standard_normal((4, 33, WIDTH), dtype=np.float32)
    (y,) = load(target, manager=used, threads=1)(x=x, x_lengths=np.array([33, 1, 2, 3]))
    with torch.no_grad():
        np.testing.assert_allclose(y, live.model(torch.from_numpy(x)).numpy(), atol=1e-5)


def test_the_live_model_comes_back_as_it_was(live: Any, target: Path) -> None:
    from espnet_onnx.testing.snapshot import changes, snapshot

    model = live.model
    model.register_forward_hook(lambda *_: None)
    model.bias.requires_grad_(requires_grad=False)
    before = snapshot(model)
    export(live, target, task="asr", manager=manager(), threads=1)
    assert live.model is model
    assert changes(before, snapshot(model)) == []


def test_a_model_that_trains_goes_on_training(live: Any, target: Path) -> None:
    live.model.train()
    export(live, target, task="asr", manager=manager(), threads=1)
    assert live.model.training
