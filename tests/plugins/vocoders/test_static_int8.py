"""Every generator in static int8, and a whole model that has one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import onnx_ir as ir
from typer.testing import CliRunner

import espnet_onnx
from espnet_onnx import cli, optimizer, static_quantiser
from espnet_onnx.bundle import GraphEntry, read_manifest
from espnet_onnx.graphs import runner
from espnet_onnx.layers import fusion_rules
from espnet_onnx.parity import compare, cosine, cut, expect
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.testing import write_model
from espnet_onnx.tracer import trace
from espnet_onnx.verify import verify
from espnet_onnx_plugin_vits.tiny import MODELS

from .test_generators import STATS, VARIANTS, claimed, component

pytestmark = pytest.mark.export

# HiFi-GAN speaks below; of the others those whose graphs are traced soonest.
CHOSEN = ("melgan_bands", "parallel_wavegan")
TEXTS = ("no tea. is it so", "a tin", "one tone")


def opened(path: Path) -> OrtSession:
    return OrtSession(path, session_options(1), ["CPUExecutionProvider"])


@pytest.mark.parametrize("name", CHOSEN)
def test_generators_become_int8(name: str, tmp_path: Path) -> None:
    _, graph = claimed(component(*VARIANTS[name], **STATS))
    model, _ = optimizer.fuse(trace(graph), fusion_rules())
    fp32, int8 = tmp_path / "fp32.onnx", tmp_path / "int8.onnx"
    optimizer.save(model, fp32)
    feeds = [cut(graph, feed, feed, 0) for feed in map(graph.feed, ([40], [31], [52]))]
    assert graph.quantise is not None and graph.quantise.calibrate
    report = static_quantiser.quantise(fp32, int8, graph.quantise, feeds)
    assert report["quantised"]["Conv"] > 4 and report["kept"]["makes an output"]
    reads = {node.inputs[0].producer() for node in ir.load(int8).graph if node.op_type == "Conv"}
    assert sum(n is not None and n.op_type == "DequantizeLinear" for n in reads) > 3
    say, want = (runner(opened(path), graph) for path in (int8, fp32))
    other = graph.feed([47])
    got = say(other)["wave"]
    assert cosine(got, want(other)["wave"]) > 0.99
    # The wave has levels of fp32, not 256 of them.
    assert len(np.unique(got)) > 256
    # Padding is heard as little as ever.
    parity = compare(graph, say, [e for e in expect(graph) if len(e.lengths) > 1])
    assert parity.cosine > 0.98, parity


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(MODELS[0], tmp_path_factory.mktemp("m") / "vits")


@pytest.fixture(scope="module")
def made(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A bundle, and what its export said."""
    folder = tmp_path_factory.mktemp("b")
    (folder / "texts").write_text("\n\n".join(TEXTS), "utf-8")
    options = ["--precision", "fp32,int8", "--static-int8", "--keep-slower", "--threads", "1"]
    files = ["-o", str(folder / "bundle"), "--calibration", str(folder / "texts")]
    done = CliRunner().invoke(cli.app, ["export", str(model), *options, *files, "--json"])
    assert done.exit_code == 0, done.output
    return folder / "bundle", json.loads(done.stdout)


def entry_of(bundle: Path) -> GraphEntry:
    return read_manifest(bundle).tree.children["tts"].children["vocoder"].graphs["vocoder"]


def test_an_export_says_how_much_is_left(made: tuple[Path, dict[str, Any]]) -> None:
    bundle, said = made
    report = said["graphs"]["tts.vocoder"]["int8"]
    assert report == entry_of(bundle).report["int8"]
    assert report["snr_db"] > 17 and report["cosine"] > 0.99
    assert report["calibrated_on"] == "3 inputs that the bundle gave it"
    assert report["nodes"]["quantised"]["Conv"] > 4


def test_the_bundle_speaks_with_it(made: tuple[Path, dict[str, Any]]) -> None:
    bundle, _ = made
    assert entry_of(bundle).files["int8"].endswith(".int8.onnx")
    vocoders = [espnet_onnx.load(bundle, precision=p, threads=1).vocoder for p in ("fp32", "int8")]
    tts = espnet_onnx.load(bundle, threads=1)
    heard = static_quantiser.heard(bundle, ["tts.vocoder.vocoder"], TEXTS[:1], _manager())
    (feed, *_) = heard["tts.vocoder.vocoder"]
    lengths = np.full(len(feed["feats"]), feed["feats"].shape[1])
    want, got = (vocoder(feed["feats"], lengths, {}, None) for vocoder in vocoders)
    assert tts.vocoder.hop * lengths[0] == got.shape[1]
    assert not np.array_equal(got, want)
    assert static_quantiser.snr([(got, want)]) > 17


def _manager() -> Any:
    from espnet_onnx.manager import Manager

    return Manager.load()


def test_verify_knows_it(made: tuple[Path, dict[str, Any]], model: Path) -> None:
    checks = verify(made[0], model, threads=1).graphs
    (int8,) = [c for c in checks if (c.graph, c.precision) == ("tts.vocoder.vocoder", "int8")]
    assert int8.passed and int8.difference > 1e-4
