"""The export's promises, on a model of one linear layer that a plugin made on the spot claims."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import espnet_onnx as eo
from espnet_onnx.errors import (
    CheckFailed,
    DispatchError,
    EspnetOnnxError,
    InputError,
    ModelError,
)
from espnet_onnx.manager import Manager
from espnet_onnx.types import Feed

from .fake_plugins import fake

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from torch import Tensor, nn

from espnet_onnx import optimizer
from espnet_onnx.export import export
from espnet_onnx.graphs import GraphBuilder
from espnet_onnx.runtime import load

WIDTH = 128  # the narrowest that int8 takes
Forward = Callable[[nn.Module, Tensor, Tensor], Tensor]


class Layer(nn.Module):
    """The graph's module: the live layer, or something that a test does to it."""

    def __init__(self, live: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.live, self.how = live, forward

    def forward(self, x: Tensor, x_lengths: Tensor) -> Tensor:
        return self.how(self.live, x, x_lengths)


def right(live: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    out: Tensor = live(x)
    return out


def graph(live: nn.Module, forward: Forward = right, **changes: Any) -> eo.Graph:
    def feed(lengths: Sequence[int]) -> Feed:
        shape = (len(lengths), max(lengths), WIDTH)
        x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        return {"x": x, "x_lengths": np.array(lengths, dtype=np.int64)}

    def reference(feed: Feed) -> Feed:
        with torch.no_grad():
            return {"y": live(torch.from_numpy(feed["x"])).numpy()}

    values: dict[str, Any] = {
        "module": Layer(live, forward).eval(),
        "outputs": ("y",),
        "axes": {
            "x": ("batch", "frames", None),
            "x_lengths": ("batch",),
            "y": ("batch", "frames", None),
        },
        "lengths": {"frames": "x_lengths"},
        "feed": feed,
        "reference": reference,
        "trials": ((5, 2, 9), (3,)),
    }
    return eo.Graph(**{**values, **changes})


def manager(
    forward: Forward = right, part: eo.Part | None = None, **hooks: Callable[..., Any]
) -> Manager:
    """One plugin that claims the model and makes one graph of it."""
    chosen: dict[str, Callable[..., Any]] = {
        "split_modules": lambda component: part or eo.Part("layer.root"),
        "export_module": lambda component: {"layer": graph(component.module, forward)},
        "build_runtime": lambda open_session: open_session("layer"),
    }
    return Manager([fake("layer", **{**chosen, **hooks})])


@pytest.fixture
def live() -> argparse.Namespace:
    """What `loader.from_live` takes for one of ESPnet's inference objects."""
    torch.manual_seed(0)
    return argparse.Namespace(
        model=nn.Linear(WIDTH, WIDTH).eval(), train_args=argparse.Namespace(token_list=["a"])
    )


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "bundle"


def refused(target: Path, error: type[EspnetOnnxError], call: Callable[[], Any]) -> str:
    """The message of an export that stopped and left nothing."""
    with pytest.raises(error) as caught:
        call()
    assert not target.parent.exists() or not list(target.parent.iterdir())
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- a bundle


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


# --- the gate


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


# --- what stops it


def branches(live: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    out: Tensor = live(x) if x.sum() > 0 else live(-x)
    return out


def test_a_module_that_cannot_be_traced(live: Any, target: Path) -> None:
    message = refused(
        target,
        ModelError,
        lambda: export(live, target, task="asr", manager=manager(branches), threads=1),
    )
    assert message.startswith("layer: torch.export failed (")


@pytest.mark.parametrize("answer", [["layer"], {"layer": "graph"}, 3])
def test_junk_for_graphs(answer: Any, live: Any, target: Path) -> None:
    used = manager(export_module=lambda component: answer)
    message = refused(
        target, EspnetOnnxError, lambda: export(live, target, task="asr", manager=used)
    )
    assert "plugin layer answered export_module for the model with something else" in message


def test_a_plugin_that_fails_is_named(live: Any, target: Path) -> None:
    used = manager(export_module=lambda component: component.module.not_there)
    message = refused(
        target, EspnetOnnxError, lambda: export(live, target, task="asr", manager=used)
    )
    assert "plugin layer failed in export_module (AttributeError: " in message


def test_a_file_that_is_not_there_is_named(live: Any, target: Path, tmp_path: Path) -> None:
    part = eo.Part("layer.root", files={"bpe": tmp_path / "bpe.model"})
    used = manager(part=part)
    message = refused(
        target, InputError, lambda: export(live, target, task="asr", manager=used, threads=1)
    )
    assert "bpe.model" in message


def test_full_disk(live: Any, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(model: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(optimizer, "save", full)
    message = refused(
        target, InputError, lambda: export(live, target, task="asr", manager=manager())
    )
    assert "No space left on device" in message
    assert message.startswith(str(target))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"precision": ("int4",)}, InputError, "precision int4: use fp32, int8 or both"),
        ({"precision": ()}, InputError, "use fp32, int8 or both"),
        ({"role": "vocoder"}, DispatchError, "no component of role 'vocoder': it has model"),
    ],
)
def test_options_that_do_not_fit(
    options: dict[str, Any], error: type[EspnetOnnxError], words: str, live: Any, target: Path
) -> None:
    used = manager()
    message = refused(
        target, error, lambda: export(live, target, task="asr", manager=used, **options)
    )
    assert words in message


def test_what_is_there_already_is_kept(live: Any, target: Path) -> None:
    target.mkdir(parents=True)
    (target / "mine.txt").touch()
    with pytest.raises(InputError, match="exists"):
        export(live, target, task="asr", manager=manager(), overwrite=True)
    assert (target / "mine.txt").exists()


# --- the end of a process

KILLED = """
import argparse, sys, time
from tests.test_export import WIDTH, manager, nn
from espnet_onnx.export import export

def progress(step):
    if step == "layer: parity after fusion":
        print(step, flush=True)
        time.sleep(60)

live = argparse.Namespace(
    model=nn.Linear(WIDTH, WIDTH).eval(), train_args=argparse.Namespace(token_list=["a"])
)
export(live, sys.argv[1], task="asr", manager=manager(), threads=1, progress=progress)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_export_leaves_no_bundle_and_the_next_sweeps(
    live: Any, target: Path, root: Path
) -> None:
    command = [sys.executable, "-c", KILLED, str(target)]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        # ESPnet may print something of its own first.
        assert "layer: parity after fusion\n" in iter(process.stdout.readline, "")
        process.send_signal(signal.SIGKILL)
        process.wait()
    (left,) = target.parent.iterdir()
    assert left.name.startswith(".bundle.partial-")
    assert list(left.rglob("*.onnx"))
    export(live, target, task="asr", manager=manager(), threads=1)
    assert [p.name for p in target.parent.iterdir()] == ["bundle"]
