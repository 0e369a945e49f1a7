"""How long encoder, decoder step and CTC head take: torch beside onnxruntime, calls alternating.

    python benchmarks/modules.py MODEL BUNDLE speech1.flac speech2.flac ...

A decoder step scores the next token of BEAM hypotheses, after as many tokens as its name says.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from inputs import ensure_bundle, speech
from report import Report, Table, options

from espnet_onnx.bench import Worker, spread

__all__ = ["main"]

SIDES = ("ESPnet", "fp32", "int8")
SEARCH = {"beam_size": 10, "ctc_weight": 0.3}
WORKER = Path(__file__).with_name("modules_worker.py")


def main(argv: Sequence[str] | None = None) -> int:
    """Race the modules, write the result."""
    args = _arguments(argv)
    name = args.name or args.model.stem
    report = Report.start("modules", name, args.threads, argv)
    ensure_bundle(args.model, args.bundle, SEARCH, args.threads)
    tasks = ["encoder", "ctc", *(f"step {position}" for position in args.positions)]
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        workers = {s: stack.enter_context(closing(_worker(s, args))) for s in SIDES}
        for length, samples in speech(args.audio, args.seconds).items():
            file = Path(folder) / f"{length}.npy"
            np.save(file, samples)
            for worker in workers.values():
                worker({"audio": str(file), "beam": args.beam_size})
            figures[length] = {task: _race(workers, task, args) for task in tasks}
            print(length, flush=True)
    title = (
        f"Modules, {name}: milliseconds (quartiles), decoder steps of {args.beam_size} hypotheses"
    )
    note = f"How many times faster than torch is the median over {args.rounds} rounds"
    return report.save(args.results, title, figures, _table(figures), note=note)


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = options(__doc__)
    parser.add_argument("audio", nargs="+", help="recordings; joined and cut to length")
    parser.add_argument("--seconds", type=float, nargs="+", default=[5.0, 10.0, 20.0])
    parser.add_argument("--positions", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--beam-size", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds, after two others")
    return parser.parse_args(argv)


def _worker(side: str, args: Any) -> Worker:
    path = args.model if side == "ESPnet" else args.bundle
    hello = {"side": side, "path": str(path), "threads": args.threads}
    return Worker(side, [sys.executable, str(WORKER)], hello, args.threads)


def _race(workers: Mapping[str, Worker], task: str, args: Any) -> dict[str, Any]:
    taken: dict[str, list[float]] = {side: [] for side in workers}
    for _ in range(2 + args.rounds):
        for side, worker in workers.items():
            taken[side].append(worker({"task": task})["seconds"])
    taken = {side: seconds[2:] for side, seconds in taken.items()}
    return {
        side: {**spread(s), "times_faster": _ratio(taken["ESPnet"], s)} for side, s in taken.items()
    }


def _ratio(base: Sequence[float], own: Sequence[float]) -> float:
    return round(statistics.median(b / o for b, o in zip(base, own, strict=True)), 3)


def _table(figures: Mapping[str, Any]) -> Table:
    rows = []
    for length, tasks in figures.items():
        for task, sides in tasks.items():
            cells = [_milliseconds(sides[side]) for side in SIDES]
            rows.append(
                [length, task, *cells, *(f"{sides[s]['times_faster']:.2f}" for s in SIDES[1:])]
            )
    return Table(["audio", "module", "torch", *SIDES[1:], "x fp32", "x int8"], rows)


def _milliseconds(row: Mapping[str, Any]) -> str:
    low, middle, high = (
        1000 * t for t in (row["quartiles_s"][0], row["median_s"], row["quartiles_s"][1])
    )
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    sys.exit(main())
