"""Speed and memory of a bundle, side by side with ESPnet in one interleaved run.

Every side is a process of its own; calls alternate; loading is outside the time. Memory comes
from fresh processes that load one side and recognise the first input once.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from .errors import EspnetOnnxError
from .types import Array

__all__ = ["Side", "bench", "machine", "onnxruntime_gflops", "torch_gflops"]


@attrs.frozen
class Side:
    """One contestant.

    Attributes:
        name: how results call it.
        side: "bundle" or "espnet".
        path: the bundle, or the ESPnet model (folder, zip, tag).
        precision: "fp32" or "int8"; on ESPnet int8 is its own `quantize_asr_model=True`.
    """

    name: str
    side: str
    path: str
    precision: str = "fp32"


class _Worker:
    """A running side."""

    def __init__(self, side: Side, threads: int, decoding: Mapping[str, Any]) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "espnet_onnx.bench_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.name = side.name
        key = "bundle" if side.side == "bundle" else "model"
        self.loaded = self._ask(
            {
                "side": side.side,
                key: side.path,
                "precision": side.precision,
                "threads": threads,
                "decoding": dict(decoding),
            }
        )

    def __call__(self, audio: Sequence[str]) -> dict[str, Any]:
        return self._ask({"audio": list(audio)})

    def _ask(self, line: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout and self._process.stderr
        try:
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self._process.stdout.readline()
        if not answer:
            said = self._process.stderr.read().strip().splitlines() or ["it said nothing"]
            raise EspnetOnnxError(f"benchmark: the side {self.name} stopped: {said[-1]}")
        return dict(json.loads(answer))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=60)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()


@contextmanager
def _worker(side: Side, threads: int, decoding: Mapping[str, Any]) -> Iterator[_Worker]:
    worker = _Worker(side, threads, decoding)
    try:
        yield worker
    finally:
        worker.close()


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
        sides: who takes part; ratios are taken against the first ESPnet side.
        inputs: name -> recordings (float32 at the model's rate) recognised as one batch.
        threads: threads of every side.
        rounds: timed rounds, after `warm_up` ones.
        memory: also measure peak memory, each side in a fresh process on the first input.
        decoding: search settings, the same for all.

    Returns:
        JSON values: the machine, and by input and side seconds (median, quartiles), ratios,
        token counts and answers.
    """
    decoding = decoding or {}
    result: dict[str, Any] = {"machine": machine(), "threads": threads, "rounds": rounds}
    result["decoding"] = dict(decoding)
    with tempfile.TemporaryDirectory() as folder:
        files = _write(inputs, Path(folder))
        if memory:
            result["memory"] = _memory(sides, files, threads, decoding, progress)
        with ExitStack() as stack:
            workers = [stack.enter_context(_worker(s, threads, decoding)) for s in sides]
            result["inputs"] = {
                name: _race(sides, workers, files[name], arrays, rounds, warm_up, progress, name)
                for name, arrays in inputs.items()
            }
    result["load_average_after"] = os.getloadavg()[0]
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
        with _worker(side, threads, decoding) as worker:
            answer = worker(next(iter(files.values())))
            peaks[side.name] = {k: round(answer[k], 1) for k in ("peak_mb", "imports_mb")}
    return peaks


def _race(
    sides: Sequence[Side],
    workers: Sequence[_Worker],
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
        for side, worker in zip(sides, workers, strict=True):
            before = answers.get(side.name)
            answers[side.name] = answer = worker(files)
            if i >= warm_up:
                seconds[side.name].append(answer["seconds"])
                answer["last_profile"] = _delta(before, answer)
    length = sum(len(a) for a in arrays)
    baseline = next((s.name for s in sides if s.side == "espnet"), None)
    return {
        "samples": length,
        "sides": {
            s.name: _row(seconds[s.name], answers[s.name], seconds.get(baseline or ""))
            for s in sides
        },
    }


def _delta(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    """What one call spent in each graph."""
    old = (before or {}).get("profile", {})
    return {
        name: {k: now[k] - old.get(name, {}).get(k, 0) for k in ("calls", "seconds")}
        for name, now in after.get("profile", {}).items()
    }


def _row(taken: list[float], answer: dict[str, Any], base: list[float] | None) -> dict[str, Any]:
    low, middle, high = statistics.quantiles(taken, n=4) if len(taken) > 1 else taken * 3
    row: dict[str, Any] = {
        "median_s": round(middle, 5),
        "quartiles_s": [round(low, 5), round(high, 5)],
        "tokens": [len(ids) for ids in answer["ids"]],
        "ids": answer["ids"],
        "texts": answer["texts"],
    }
    if base:
        ratios = [b / t for b, t in zip(base, taken, strict=True)]
        row["times_faster"] = round(statistics.median(ratios), 3)
    if answer.get("last_profile"):
        row["profile"] = answer["last_profile"]
    return row


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x.split(":")[1].strip() for x in info.read_text().splitlines() if "model name" in x]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def torch_gflops(threads: int, size: int = 1024) -> float:
    """Rate of torch's fp32 matrix product, in GFLOP/s."""
    import torch

    torch.set_num_threads(threads)
    a, b = torch.rand(size, size), torch.rand(size, size)
    return _rate(lambda: torch.mm(a, b), size)


def onnxruntime_gflops(threads: int, size: int = 1024) -> float:
    """Rate of onnxruntime's fp32 matrix product, in GFLOP/s."""
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    from .runtime import session_options

    weight = np.random.default_rng(0).random((size, size), dtype=np.float32)
    shape = [size, size]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        "matmul",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), session_options(threads))
    a = np.random.default_rng(1).random((size, size), dtype=np.float32)
    return _rate(lambda: session.run(None, {"a": a}), size)


def _rate(call: Callable[[], Any], size: int) -> float:
    times = []
    for _ in range(12):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return round(2 * size**3 / statistics.median(times[2:]) / 1e9, 1)
