"""No graph passes an export that differs from the module, and no int8 that is of no use."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

import espnet_onnx as eo
from espnet_onnx.errors import CheckFailed

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from torch import Tensor, nn

from espnet_onnx.export import export
from espnet_onnx.graphs import GraphBuilder
from espnet_onnx.runtime import load

from .one_layer import Forward, graph, manager, refused


def off_by_a_hundredth(live: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    out: Tensor = live(x) + 0.01
    return out


def leaks_padding(live: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    out: Tensor = live(x) + 0.1 * x.mean(1, keepdim=True) - 0.1 * x.mean(1, keepdim=True)[:1]
    return out


@pytest.mark.parametrize("wrong", [off_by_a_hundredth, leaks_padding])
def test_a_wrong_graph_stops_the_export(wrong: Forward, live: Any, target: Path) -> None:
    message = refused(
        target,
        CheckFailed,
        lambda: export(live, target, task="asr", manager=manager(wrong), threads=1),
    )
    assert message.startswith("parity failed: layer (traced): difference ")
    assert "tolerance 1e-04, y, lengths (" in message
    assert CheckFailed.exit_code == 1


def test_keep_going_keeps_it_and_says_so(live: Any, target: Path) -> None:
    wrong = manager(off_by_a_hundredth)
    made = export(live, target, task="asr", manager=wrong, keep_going=True, threads=1)
    assert made.failed
    written = json.loads((target / "manifest.json").read_text())["parity"]
    assert written == list(made.failed)
    assert all(line.startswith("layer (") for line in written)


def test_a_fusion_that_changes_numbers_is_caught(live: Any, target: Path) -> None:
    from onnxscript.rewriter import pattern

    rule = pattern.RewriteRule(
        lambda op, x, y: op.Add(x, y), lambda op, x, y: op.Sub(x, y), name="wrong"
    )
    used = manager(fusion_patterns=lambda kind: [rule])
    message = refused(
        target, CheckFailed, lambda: export(live, target, task="asr", manager=used, threads=1)
    )
    assert "layer (fp32)" in message


@pytest.mark.parametrize("junk", ["rules", [1], 3])
def test_junk_for_fusion_rules_is_passed_over(
    junk: Any, live: Any, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    used = manager(fusion_patterns=lambda kind: junk)
    with caplog.at_level(logging.WARNING, "espnet_onnx"):
        export(live, target, task="asr", manager=used, threads=1)
    lines = [r.getMessage() for r in caplog.records if r.name == "espnet_onnx"]
    assert lines == ["plugin layer answered fusion_patterns with no rules: ignored"]


def test_int8_that_does_not_agree_stops_the_export(live: Any, target: Path) -> None:
    spec = eo.Quantise(tolerance=1e-7)
    used = manager(
        export_module=lambda component: {"layer": graph(component.module, quantise=spec)}
    )
    message = refused(
        target,
        CheckFailed,
        lambda: export(
            live, target, task="asr", manager=used, precision=("fp32", "int8"), threads=1
        ),
    )
    assert "layer (int8)" in message


@pytest.mark.parametrize("keep_slower", [False, True])
def test_int8_that_is_slower_is_not_kept(
    keep_slower: bool, live: Any, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GraphBuilder, "_race", lambda *_: {"fp32_ms": 1.0, "int8_ms": 2.0})
    both = ("fp32", "int8")
    used = manager()
    made = export(
        live, target, task="asr", manager=used, precision=both, keep_slower=keep_slower, threads=1
    )
    entry = made.manifest.tree.graphs["layer"]
    assert (entry.files["int8"] != entry.files["fp32"]) is keep_slower
    assert ("int8 is slower" in str(entry.report["int8"])) is not keep_slower
    assert len(list(target.rglob("*.onnx"))) == 1 + keep_slower
    load(target, precision="int8", manager=used)


@pytest.mark.parametrize("slower", [False, True])
def test_a_bundle_of_int8_alone_holds_no_fp32_that_it_does_not_run(
    slower: bool, live: Any, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {"fp32_ms": 1.0, "int8_ms": 2.0 if slower else 0.5}
    monkeypatch.setattr(GraphBuilder, "_race", lambda *_: times)
    used = manager()
    made = export(live, target, task="asr", manager=used, precision=("int8",), threads=1)
    kept = "fp32" if slower else "int8"
    assert made.manifest.tree.graphs["layer"].files == {"int8": f"graphs/layer.{kept}.onnx"}
    assert set(made.manifest.files) == {f"graphs/layer.{kept}.onnx"}
    load(target, manager=used)


def test_a_bundle_that_does_not_run_is_not_written(live: Any, target: Path) -> None:
    class Broken:
        def self_check(self) -> str:
            return "it says nothing"

    used = manager(build_runtime=lambda open_session: Broken())
    message = refused(
        target, CheckFailed, lambda: export(live, target, task="asr", manager=used, threads=1)
    )
    assert message == "the fp32 bundle does not run: it says nothing"
