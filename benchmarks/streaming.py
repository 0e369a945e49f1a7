"""Streams of 1, 10 and 60 minutes: memory over time, real-time factor, and how long a push takes.

    python benchmarks/streaming.py MODEL BUNDLE speech1.flac speech2.flac ...

The recordings are repeated, one after another, and pushed as fast as they are taken. Memory must
not grow: in the last tenth of a stream it may be a tenth more than after its second minute.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inputs import ensure_bundle
from report import Check, Report, Table, options

__all__ = ["main"]

GROWTH = 1.1
# Alone in its process, so that the memory is its own.
WORKER = """
import json, sys, time
import numpy as np
from espnet_onnx import load
from espnet_onnx.parts.audio import read_audio
bundle, minutes, threads, chunk, decoding, *audio = sys.argv[1:]
PAGES = 4096 / 2**20
def rss_mb():
    return int(open("/proc/self/statm").read().split()[1]) * PAGES
asr = load(bundle, threads=int(threads))
stream = asr.stream(**json.loads(decoding))
rate = stream.sample_rate
speech = np.concatenate([read_audio(path, rate).samples for path in audio])
size, total = round(float(chunk) * rate), round(float(minutes) * 60 * rate)
took, memory, segments, begin, minute = [], [], 0, time.perf_counter(), 0.0
for place in range(0, total, size):
    samples = speech.take(range(place, min(place + size, total)), mode="wrap")
    start = time.perf_counter()
    segments += len(stream.push(samples).segments)
    took.append(time.perf_counter() - start)
    if stream.duration >= minute:
        memory.append([round(stream.duration, 1), round(rss_mb(), 1)])
        minute += max(1.0, float(minutes) / 60) * 10
start = time.perf_counter()
result = stream.finish()
memory.append([round(result.duration, 1), round(rss_mb(), 1)])
took = np.array(took)
print(json.dumps({
    "real_time_factor": float((took.sum() + time.perf_counter() - start) / result.duration),
    "push_ms": {str(q): float(np.percentile(took, q) * 1e3) for q in (50, 95, 99, 100)},
    "finish_ms": (time.perf_counter() - start) * 1e3,
    "segments": segments, "tokens": len(result.ids), "rss_mb": memory,
}))
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run every stream, write the result."""
    args = _arguments(argv)
    name = args.name or args.model.stem
    report = Report.start("streaming", name, args.threads, argv)
    if not args.bundle.exists():
        ensure_bundle(args.model, args.bundle, {}, args.threads)
    runs = {f"{minutes:g}": _run(args, minutes) for minutes in args.minutes}
    return report.save(
        args.results,
        f"Streams, {name}: pushes of {args.chunk:g} s, {args.decoding}",
        {"chunk_seconds": args.chunk, "decoding": json.loads(args.decoding), "minutes": runs},
        _table(runs),
        [_check(minutes, run) for minutes, run in runs.items()],
    )


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = options(__doc__)
    parser.add_argument("audio", type=Path, nargs="+", help="recordings")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60])
    parser.add_argument("--chunk", type=float, default=0.32, help="seconds of a push")
    parser.add_argument(
        "--decoding", default='{"beam_size": 5}', help="JSON: options of the stream"
    )
    return parser.parse_args(argv)


def _run(args: Any, minutes: float) -> dict[str, Any]:
    numbers = [minutes, args.threads, args.chunk]
    command = [sys.executable, "-c", WORKER, args.bundle, *numbers, args.decoding, *args.audio]
    found = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE)
    return dict(json.loads(found.stdout))


def _table(runs: Mapping[str, Mapping[str, Any]]) -> Table:
    columns = ("minutes", "real-time factor", "push p50 / p99 / max, ms", "segments", "RSS, MB")
    rows = []
    for minutes, run in runs.items():
        took = " / ".join(f"{run['push_ms'][q]:.1f}" for q in ("50", "99", "100"))
        first, *_, last = (mb for _, mb in run["rss_mb"])
        memory = f"{first:.0f} at first, {last:.0f} at the end"
        rows.append((minutes, f"{run['real_time_factor']:.3f}", took, run["segments"], memory))
    return Table(columns, rows)


def _check(minutes: str, run: Mapping[str, Any]) -> Check:
    duration = run["rss_mb"][-1][0]
    early = max(mb for at, mb in run["rss_mb"] if at <= max(120.0, duration / 10))
    late = max(mb for at, mb in run["rss_mb"] if at >= 0.9 * duration)
    growth = late / early
    return Check(f"memory of {minutes} minutes", round(growth, 3), GROWTH, growth <= GROWTH)


if __name__ == "__main__":
    sys.exit(main())
