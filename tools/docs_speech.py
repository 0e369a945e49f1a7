"""One table of all models that speak, from what benchmarks/speech.py writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["speech"]

_COLUMNS = (
    "case",
    "audio",
    "ESPnet RTF",
    "fp32 RTF, times faster",
    "int8, times faster",
    "first sound, of the whole (fp32; int8)",
    "peak memory, of ESPnet's (fp32; int8)",
    "fp32 waveform",
)
_BUNDLE = ("fp32", "int8")


def speech(folder: Path) -> str:
    """A row for the first text of every result."""
    files = sorted(folder.glob("speech.*.json"))
    if not files:
        return "No results have been committed yet."
    rows = [_row(json.loads(path.read_text("utf-8"))) for path in files]
    lines = [_COLUMNS, ["---"] * len(_COLUMNS), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _row(data: Mapping[str, Any]) -> list[str]:
    figures = data["figures"]
    timed = next(iter(figures["inputs"].values()))
    sides, memory = timed["sides"], figures["memory"]
    espnet, fp32, int8 = sides["ESPnet"], sides["fp32"], sides.get("int8")
    ours = {name: sides[name] for name in _BUNDLE if name in sides}
    first = [f"1/{side['first']['times_sooner']:.1f}" for side in ours.values()]
    peaks = [memory[name]["peak_mb"] / memory["ESPnet"]["peak_mb"] for name in ours]
    apart = timed["compared"]["fp32"]["difference"]
    return [
        data["model"],
        f"{espnet['audio_s']:.1f} s",
        f"{espnet['rtf']:.4f}",
        f"{fp32['rtf']:.4f}, {fp32['times_faster']:.2f}",
        f"{int8['times_faster']:.2f}" if int8 else "",
        "; ".join(first),
        "; ".join(f"{peak:.0%}" for peak in peaks),
        "of another length" if apart is None else f"differs by {apart:.1e}",
    ]
