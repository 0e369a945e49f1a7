"""benchmarks/ssl_frontend.py: what it computes of what its sides answer."""

from __future__ import annotations

import importlib
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("espnet2", reason="benchmarks compare with ESPnet")

pytestmark = pytest.mark.export

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks"
SECONDS = {"ESPnet": 1.0, "fp32": 0.5, "int8": 0.25}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("ssl_frontend")


def figures(script: Any, tmp_path: Path, off: float) -> dict[str, Any]:
    """Of sides that answer as `Worker` does; int8's features are `off` those of ESPnet."""
    file = tmp_path / "speech.npy"
    np.save(file, np.zeros(16000, np.float32))
    feats = np.random.default_rng(0).normal(size=(50, 8))

    def side(name: str) -> Any:
        def answer(line: dict[str, str]) -> dict[str, float]:
            if "save" in line:
                np.save(line["save"], feats + (off * feats[::-1] if name == "int8" else 0))
            return {"seconds": SECONDS[name]}

        return answer

    args = Namespace(rounds=3, warm_up=1)
    raced = script._race({name: side(name) for name in SECONDS}, str(file), args)
    memory = {
        name: {"peak_mb": peak, "imports_mb": 50.0, "copy_mb": 10.0}
        for name, peak in (("ESPnet", 100.0), ("fp32", 45.0), ("int8", 20.0))
    }
    size = {"checkpoint": 3.0, "fp32": 2.0, "int8": 1.0}
    return {"inputs": {"1 s": raced}, "memory": memory, "size_mb": size}


def test_ratios_and_closeness(script: Any, tmp_path: Path) -> None:
    found = figures(script, tmp_path, 0.01)
    sides = found["inputs"]["1 s"]["sides"]
    assert [sides[name]["times_faster"] for name in SECONDS] == [1, 2, 4]
    assert sides["fp32"]["difference"] == 0
    assert 0.999 < sides["int8"]["cosine"] < 1
    rows = script._table(found).rows
    assert [row[-1] for row in rows] == [3.0, 2.0, 1.0]
    assert all(len(row) == len(script._table(found).columns) for row in rows)


@pytest.mark.parametrize(
    ("off", "limits", "failed"),
    [
        (0.01, (1.8, 3.5, 0.5), []),
        (0.5, (1.8, 3.5, 0.5), ["1 s: int8, cosine"]),
        (0.01, (2.5, 3.5, 0.4), ["fp32, times faster", "fp32, share"]),
    ],
)
def test_it_fails_where_a_limit_is_missed(
    script: Any, tmp_path: Path, off: float, limits: tuple[float, ...], failed: list[str]
) -> None:
    fp32, int8, share = limits
    args = Namespace(fp32_faster=fp32, int8_faster=int8, memory_share=share)
    checks = script._checks(figures(script, tmp_path, off), args)
    missed = [check.what for check in checks if not check.passed]
    assert len(missed) == len(failed)
    assert all(part in what for part, what in zip(failed, missed, strict=True))
