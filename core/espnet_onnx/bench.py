"""Speed and memory of a bundle, side by side with ESPnet in one interleaved run.

Every side is a process of its own; calls alternate; loading is outside the time. Memory comes
from fresh processes that load one side and take the first input once.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from .errors import EspnetOnnxError
from .types import Array

__all__ = [
    "Side",
    "Worker",
    "bench",
    "machine",
    "spent",
    "spread",
    "worker",
]


@attrs.frozen
class Side:
    """One contestant.

    Attributes:
        name: how results call it.
        side: "bundle" or "espnet".
        path: the bundle, or the ESPnet model (folder, zip, tag).
        precision: "fp32" or "int8"; on ESPnet int8 is its own `quantize_asr_model=True`, and
            `quantize_lm=True`.
        lm: of ESPnet's side, the language model as `export` takes it; a bundle holds its own.
        ngram: likewise the n-gram model.
        features: of ESPnet's side, the role of the component whose features are taken; None where
            recordings are recognised.
        vocoder: of ESPnet's side, the vocoder as `export` takes it.
        voice: file of the voice that speaks, see `bench_speech`; None where nothing speaks.
    """

    name: str
    side: str
    path: str
    precision: str = "fp32"
    lm: str | None = None
    ngram: str | None = None
    features: str | None = None
    vocoder: str | None = None
    voice: str | None = None


class Worker:
    """A process that answers JSON lines, as `bench_worker` does.

    Args:
        name: how messages call it.
        command: what to start.
        hello: the first line; its answer is `loaded`.
        threads: what OpenMP is told at the start.

    Raises:
        EspnetOnnxError: the process ended instead of answering; the last line it wrote.
    """

    def __init__(
        self, name: str, command: Sequence[str], hello: Mapping[str, Any], threads: int
    ) -> None:
        self.name = name
        # A pipe that nobody reads would stop a process that warns a lot.
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed by `close`)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
        self.loaded = self(hello)

    def __call__(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """Send one line, return the answer."""
        assert self._process.stdin and self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._said.seek(0)
            said = self._said.read().strip().splitlines() or ["it said nothing"]
            self.close()
            raise EspnetOnnxError(f"benchmark: the side {self.name} stopped: {said[-1]}")
        return dict(json.loads(answer))

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:  # on a busy machine; it has said all that it had to
            self._process.kill()
            self._process.wait()


@contextmanager
def worker(side: Side, threads: int, decoding: Mapping[str, Any]) -> Iterator[Worker]:
    """A side's process, loaded and ready for `{"audio": [npy files]}`, or for a text to speak."""
    hello = {
        "side": side.side,
        "bundle" if side.side == "bundle" else "model": side.path,
        "precision": side.precision,
        **{k: getattr(side, k) for k in ("lm", "ngram", "features", "vocoder", "voice")},
        "threads": threads,
        "decoding": dict(decoding),
    }
    command = [sys.executable, "-m", "espnet_onnx.bench_worker"]
    with closing(Worker(side.name, command, hello, threads)) as started:
        yield started


def bench(
    sides: Sequence[Side],
    inputs: Mapping[str, Sequence[Array]],
    *,
    threads: int = 2,
    rounds: int = 7,
    warm_up: int = 2,
    memory: bool = True,
    decoding: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Time every side on every input, calls alternating.

    Args:
        sides: who takes part; ratios are taken against ESPnet's sides, `times_faster` against the
            first of them.
        inputs: name -> recordings (float32 at the model's rate) recognised as one batch.
        threads: threads of every side.
        rounds: timed rounds, after `warm_up` ones.
        memory: also measure peak memory, each side in a fresh process on the first input.
        decoding: search settings, the same for all.

    Returns:
        JSON values: the machine, and by input and side seconds (median, quartiles), ratios, and
        what was answered: tokens and texts, or frames of features.
    """
    decoding = decoding or {}
    result: dict[str, Any] = {"machine": machine(), "threads": threads, "rounds": rounds}
    result["warm_up"] = warm_up
    result["decoding"] = dict(decoding)
    with tempfile.TemporaryDirectory() as folder:
        files = _write(inputs, Path(folder))
        if memory:
            result["memory"] = _memory(sides, files, threads, decoding, progress)
        with ExitStack() as stack:
            workers = [stack.enter_context(worker(s, threads, decoding)) for s in sides]
            result["inputs"] = {
                name: _race(sides, workers, files[name], arrays, rounds, warm_up, progress, name)
                for name, arrays in inputs.items()
            }
    result["load_average_after"] = _load_average()
    return result


def _write(inputs: Mapping[str, Sequence[Array]], folder: Path) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for i, (name, arrays) in enumerate(inputs.items()):
        files[name] = [str(folder / f"{i}.{j}.npy") for j in range(len(arrays))]
        for path, array in zip(files[name], arrays, strict=True):
            np.save(path, np.ascontiguousarray(array, dtype=np.float32))
    return files


def _memory(
    sides: Sequence[Side],
    files: Mapping[str, list[str]],
    threads: int,
    decoding: Mapping[str, Any],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    peaks = {}
    for side in sides:
        progress(f"memory of {side.name}")
        with worker(side, threads, decoding) as fresh:
            answer = fresh({"audio": next(iter(files.values()))})
            peaks[side.name] = {k: round(answer[k], 1) for k in ("peak_mb", "imports_mb")}
    return peaks


def _race(
    sides: Sequence[Side],
    workers: Sequence[Worker],
    files: Sequence[str],
    arrays: Sequence[Array],
    rounds: int,
    warm_up: int,
    progress: Callable[[str], None],
    name: str,
) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {s.name: [] for s in sides}
    answers: dict[str, dict[str, Any]] = {}
    for i in range(warm_up + rounds):
        progress(f"{name}: round {i + 1} of {warm_up + rounds}")
        for side, process in zip(sides, workers, strict=True):
            before = answers.get(side.name)
            answers[side.name] = answer = process({"audio": files})
            if i >= warm_up:
                seconds[side.name].append(answer["seconds"])
                answer["last_profile"] = spent(before, answer)
    length = sum(len(a) for a in arrays)
    baselines = {s.name: seconds[s.name] for s in sides if s.side == "espnet"}
    return {
        "samples": length,
        "sides": {s.name: _row(seconds[s.name], answers[s.name], baselines) for s in sides},
    }


def spent(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    """What one call spent in each graph."""
    old = (before or {}).get("profile", {})
    return {
        name: {k: now[k] - old.get(name, {}).get(k, 0) for k in ("calls", "seconds")}
        for name, now in after.get("profile", {}).items()
    }


def _row(
    taken: list[float], answer: dict[str, Any], baselines: Mapping[str, list[float]]
) -> dict[str, Any]:
    row: dict[str, Any] = spread(taken)
    if "ids" in answer:
        row["tokens"] = [len(ids) for ids in answer["ids"]]
    row |= {name: answer[name] for name in ("ids", "texts", "frames") if name in answer}
    if baselines:
        ratios = {
            name: round(statistics.median(b / t for b, t in zip(base, taken, strict=True)), 3)
            for name, base in baselines.items()
        }
        row["times_faster"] = next(iter(ratios.values()))
        row["times_faster_than"] = ratios
    if answer.get("last_profile"):
        row["profile"] = answer["last_profile"]
    return row


def spread(taken: Sequence[float]) -> dict[str, Any]:
    """Median and quartiles of seconds."""
    low, middle, high = statistics.quantiles(taken, n=4) if len(taken) > 1 else list(taken) * 3
    return {"median_s": round(middle, 5), "quartiles_s": [round(low, 5), round(high, 5)]}


def _load_average() -> float | None:
    """Processes that wanted to run over the last minute; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            x.split(":")[1].strip() for x in info.read_text().splitlines() if "model name" in x
        ]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_average": _load_average(),
        "python": platform.python_version(),
    }
