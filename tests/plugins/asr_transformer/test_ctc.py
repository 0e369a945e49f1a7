"""The CTC head against ESPnet's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.ctc import CTC

import espnet_onnx as eo
from espnet_onnx import optimizer
from espnet_onnx.graphs import runner
from espnet_onnx.parity import compare, expect
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.tracer import trace
from espnet_onnx_plugin_asr_transformer.ctc_claim import KINDS, claim_ctc
from espnet_onnx_plugin_asr_transformer.ctc_export import ctc_graphs
from espnet_onnx_plugin_asr_transformer.ctc_runtime import build_ctc

pytestmark = pytest.mark.export


@pytest.mark.parametrize("ctc_type", ["builtin", "builtin2"])
def test_log_probs_equal_espnet(ctc_type: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ctc = CTC(7, 12, ctc_type=ctc_type).eval()
    component = eo.Component("ctc", "ctc", ctc_type, {}, ctc)
    part = claim_ctc(component)
    assert part is not None
    graph = ctc_graphs(component, part)["ctc"]
    model, _ = optimizer.fuse(trace(graph), [])
    optimizer.save(model, tmp_path / "ctc.onnx")
    session = OrtSession(tmp_path / "ctc.onnx", session_options(1), ["CPUExecutionProvider"])
    assert compare(graph, runner(session, graph), expect(graph)).difference < 1e-5

    head = build_ctc(eo.Node("ctc", KINDS[0], "asr_transformer"), {}, {"ctc": session}.__getitem__)
    encoder_out = np.random.default_rng(0).standard_normal((2, 90, 12), dtype=np.float32)
    log_probs = head(encoder_out)
    assert log_probs.shape == (2, 90, 7)
    assert np.abs(np.exp(log_probs).sum(-1) - 1).max() < 1e-5
    with torch.no_grad():
        wanted = ctc.log_softmax(torch.from_numpy(encoder_out)).numpy()
    assert np.abs(log_probs - wanted).max() < 1e-5


@pytest.mark.parametrize("ctc_type", ["builtin", "builtin2", "gtnctc", "brctc"])
def test_claims_every_loss(ctc_type: str) -> None:
    part = claim_ctc(eo.Component("ctc", "ctc", ctc_type))
    assert part is not None
    assert part.kind in KINDS


def test_leaves_others_alone() -> None:
    assert claim_ctc(eo.Component("decoder", "decoder", "transformer")) is None
    assert claim_ctc(eo.Component("ctc", "ctc", "unheard_of")) is None
