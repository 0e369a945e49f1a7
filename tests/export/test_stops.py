"""What stops an export leaves nothing behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import espnet_onnx as eo
from espnet_onnx.errors import DispatchError, EspnetOnnxError, InputError, ModelError

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from torch import Tensor, nn

from espnet_onnx import optimizer
from espnet_onnx.export import export

from .one_layer import manager, refused


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


KILLED = """
import argparse, sys, time
from torch import nn
from tests.export.one_layer import WIDTH, manager
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
