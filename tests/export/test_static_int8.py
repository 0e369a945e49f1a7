"""int8 that needs calibration: only where it is asked for, on what the bundle hears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import espnet_onnx as eo
from espnet_onnx.errors import CheckFailed, InputError

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from torch import Tensor, nn

from espnet_onnx.export import export
from espnet_onnx.manager import Manager
from espnet_onnx.runtime import load
from espnet_onnx.types import Feed

from .one_layer import WIDTH, graph, manager, refused

BOTH = ("fp32", "int8")
SPEC = eo.Quantise(calibrate=True)


def twice(live: nn.Module, x: Tensor, lengths: Tensor | None = None) -> Tensor:
    out: Tensor = live(torch.relu(live(x)))
    return out


class Hearing:
    """A runtime that runs on numbers: how loud its input is."""

    def __init__(self, open_session: Any) -> None:
        self.session = open_session("layer")

    def __call__(self, loud: float) -> None:
        x = loud * np.random.default_rng(1).standard_normal((1, 7, WIDTH), np.float32)
        self.session(x=x, x_lengths=np.array([7]))


def plugin(spec: eo.Quantise = SPEC) -> Manager:
    def made(component: eo.Component) -> dict[str, eo.Graph]:
        def reference(feed: Feed) -> Feed:
            with torch.no_grad():
                return {"y": twice(component.module, torch.from_numpy(feed["x"])).numpy()}

        chosen = graph(component.module, twice, reference=reference, quantise=spec)
        return {"layer": chosen}

    def built(open_session: Any) -> Hearing:
        return Hearing(open_session)

    return manager(export_module=made, build_runtime=built)


def exported(live: Any, target: Path, used: Manager, **options: Any) -> Any:
    options = {"precision": BOTH, "keep_slower": True, "threads": 1, **options}
    return export(live, target, task="asr", manager=used, **options).manifest.tree.graphs["layer"]


def test_it_stays_fp32_until_asked_for(live: Any, target: Path) -> None:
    entry = exported(live, target, plugin())
    assert entry.files["int8"] == entry.files["fp32"]
    assert entry.report["int8"]["why"] == "needs static int8"


def test_ranges_are_of_what_it_hears(live: Any, target: Path, tmp_path: Path) -> None:
    used = plugin()
    entry = exported(live, target, used, static_int8=True, calibration=[1.0] * 5)
    report = entry.report["int8"]
    assert report["nodes"] == {"quantised": {"MatMul": 1}, "kept": {"makes an output": 1}}
    assert report["calibrated_on"] == "5 inputs that the bundle gave it"
    assert report["snr_db"] > 25
    runtime = load(target, precision="int8", threads=1, manager=used)
    again = exported(live, tmp_path / "quiet", used, static_int8=True, calibration=[0.1] * 5)
    assert again.report["int8"]["snr_db"] > 25
    quiet = load(tmp_path / "quiet", precision="int8", threads=1, manager=used)
    x = np.random.default_rng(2).standard_normal((1, 9, WIDTH), np.float32)
    feed = {"x": x, "x_lengths": np.array([9])}
    loud, clipped = (r.session(**feed)[0] for r in (runtime, quiet))
    assert np.abs(clipped).max() < 0.5 * np.abs(loud).max()


def test_who_hears_nothing_is_calibrated_on_its_feeds(live: Any, target: Path) -> None:
    entry = exported(live, target, plugin(), static_int8=True, precision=("int8",))
    assert entry.report["int8"]["calibrated_on"] == "4 made-up inputs"
    assert sorted(path.name for path in (target / "graphs").iterdir()) == ["layer.int8.onnx"]


def test_what_agrees_too_little_stops_the_export(live: Any, target: Path) -> None:
    used = plugin(eo.Quantise(calibrate=True, cosine=0.9999999))
    options = {"static_int8": True, "calibration": [1.0] * 4}
    message = refused(target, CheckFailed, lambda: exported(live, target, used, **options))
    assert "layer (int8 of what it hears)" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": ("fp32",), "static_int8": True}, "add int8 to the precisions"),
        ({"calibration": ["a"]}, "only static int8 is calibrated"),
        ({"static_int8": True, "calibration": ["a"], "role": "ctc"}, "a ctc alone takes no texts"),
    ],
)
def test_requests_without_sense_are_refused(
    options: dict[str, Any], message: str, live: Any, target: Path
) -> None:
    assert message in refused(
        target, InputError, lambda: exported(live, target, plugin(), **options)
    )
