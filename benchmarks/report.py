"""What every benchmark writes: figures, and where and how they were taken. See README.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import importlib_metadata
from rates import matmul_gflops

from espnet_onnx.bench import machine

__all__ = ["ROOT", "Check", "Report", "Table", "options"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("espnet-onnx", "espnet", "torch", "onnx", "onnxruntime", "numpy")


@attrs.frozen
class Check:
    """Something that must hold; `value` is what was found, `limit` what it may be."""

    what: str
    value: Any
    limit: Any
    passed: bool


@attrs.frozen
class Table:
    """What the documents show of the figures."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@attrs.frozen
class Report:
    """One run of one benchmark.

    Attributes:
        benchmark: its script.
        model: short name of the model; results are `{benchmark}.{model}.json`.
        facts: how and where it is being taken.
    """

    benchmark: str
    model: str
    facts: Mapping[str, Any]

    @classmethod
    def start(cls, benchmark: str, model: str, threads: int, argv: Sequence[str] | None) -> Report:
        """Note commit, command, machine, load, versions and both sides' rates."""
        arguments = sys.argv[1:] if argv is None else argv
        facts = {
            "command": command(benchmark, arguments),
            "commit": _git("rev-parse", "HEAD") or "unknown",
            "uncommitted": bool(_git("status", "--porcelain", "-uno", ":!benchmarks/results")),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": {name: _version(name) for name in PACKAGES},
            "threads": threads,
            "matmul_gflops": matmul_gflops(threads),
        }
        return cls(benchmark, model, facts)

    def save(
        self,
        folder: Path,
        title: str,
        figures: Mapping[str, Any],
        table: Table,
        checks: Sequence[Check] = (),
        note: str = "",
    ) -> int:
        """Write the file, say what failed, and return the exit code."""
        rates = ", ".join(f"{k} {v} GFLOP/s" for k, v in self.facts["matmul_gflops"].items())
        load = (self.facts["machine"]["load_average"], round(os.getloadavg()[0], 2))
        taken = (
            f"{self.facts['threads']} threads; fp32 matrix product: {rates}; load average {load[0]}"
        )
        data = {
            "benchmark": self.benchmark,
            "model": self.model,
            "title": title,
            **self.facts,
            "load_average": {"before": load[0], "after": load[1]},
            "figures": dict(figures),
            "checks": [attrs.asdict(check) for check in checks],
            "table": attrs.asdict(table),
            "note": f"{note} ({taken} before, {load[1]} after)".strip(),
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.benchmark}.{self.model}.json"
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")
        failed = [check for check in checks if not check.passed]
        for check in failed:
            print(f"FAILED {check.what}: {check.value}, must be {check.limit}", file=sys.stderr)
        print(f"{path}: {len(checks) - len(failed)} of {len(checks)} checks passed")
        return int(bool(failed))


def command(benchmark: str, arguments: Sequence[str]) -> str:
    """The command line, with folders outside the checkout left out of file names."""
    return " ".join(["python", f"benchmarks/{benchmark}.py", *map(_portable, arguments)])


def _portable(argument: str) -> str:
    path = Path(argument)
    if len(path.parts) < 2:
        return argument
    inside = path.resolve().is_relative_to(ROOT)
    return str(path.resolve().relative_to(ROOT)) if inside else path.name


def options(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="ESPnet model: folder or zip")
    parser.add_argument("bundle", type=Path, help="its bundle; exported where there is none")
    parser.add_argument("--threads", type=int, default=2, help="threads of every side")
    parser.add_argument("--name", help="name of the model in results; by default its folder's")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    return parser


def _git(*arguments: str) -> str:
    found = subprocess.run(
        ["git", *arguments], check=False, cwd=ROOT, capture_output=True, text=True
    )
    return found.stdout.strip()


def _version(name: str) -> str:
    try:
        return str(importlib_metadata.version(name))
    except importlib_metadata.PackageNotFoundError:
        return "not installed"
