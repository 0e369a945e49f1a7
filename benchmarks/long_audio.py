"""Recordings of 1, 10 and 60 minutes: word errors beside single utterances, speed and memory.

    python benchmarks/long_audio.py MODEL BUNDLE TEST_SET

TEST_SET holds a Kaldi `text` and recordings, which are joined in random order with pauses of faint
noise. On the longest, voice activity must not make half a point more word errors than the
utterances do one by one, and no way of cutting may insert or lose half a point more words; and
memory must not grow by more than a tenth from the shortest to the longest.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import soundfile
from inputs import RATE, ensure_bundle, utterances
from report import Check, Report, Table, options

from espnet_onnx import load
from espnet_onnx.parts.audio import read_audio

__all__ = ["main"]

POINTS = 0.5
GROWTH = 1.1
NOISE = 1e-3
PAUSES = (0.1, 2.0)  # seconds
WAYS = {
    "vad": {"long": "vad", "window": 20.0},
    "windows": {"long": "windows", "window": 20.0, "overlap": 4.0},
}
# Alone in its process, so that the peak is its own. Texts wait on disk.
WORKER = """
import json, sys, time
from espnet_onnx import load
from espnet_onnx.bench_worker import peak_mb
bundle, audio, text, threads, batch, way, decoding = sys.argv[1:]
asr = load(bundle, precision="int8", threads=int(threads), **json.loads(decoding))
loaded = peak_mb()
list(asr.segments(audio[:-5] + ".start.flac", batch_size=int(batch), **json.loads(way)))
start, count = time.perf_counter(), 0
with open(text, "w") as file:
    for segment in asr.segments(audio, batch_size=int(batch), **json.loads(way)):
        count += 1
        file.write(segment.text + "\\n")
seconds = time.perf_counter() - start
found = {"seconds": seconds, "segments": count, "loaded_mb": loaded, "peak_mb": peak_mb()}
print(json.dumps(found))
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Make the recordings, recognise them, write the result."""
    args = _arguments(argv)
    name = args.name or args.model.stem
    report = Report.start("long_audio", name, args.threads, argv)
    ensure_bundle(args.model, args.bundle, {}, args.threads)
    test = utterances(args.test_set)
    alone = _alone(args, test)
    figures: dict[str, Any] = {"utterances": len(test), "alone": alone, "minutes": {}}
    with tempfile.TemporaryDirectory() as scratch:
        for minutes in args.minutes:
            audio = Path(scratch) / f"{minutes}.flac"
            said = _record(test, minutes * 60, audio)
            figures["minutes"][minutes] = {
                way: _measured(args, audio, said, way, minutes) for way in WAYS
            }
    return report.save(
        args.results,
        f"Long recordings, {name}: utterances one by one {alone['wer']:.2f} % word errors",
        figures,
        _table(figures),
        _checks(figures),
        f"Utterances joined with pauses of up to {PAUSES[1]:g} s; int8, {args.search} search, "
        f"{args.batch_size} pieces at once; word errors are substitutions, insertions and "
        "deletions; real-time factor RTF and peak memory of a process that reads, cuts, "
        "recognises and joins",
    )


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = options(__doc__)
    parser.add_argument("test_set", type=Path, help="folder with `text` and recordings")
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 10, 60])
    parser.add_argument("--search", default="greedy", help="as in transcribe")
    parser.add_argument("--batch-size", type=int, default=8)
    return parser.parse_args(argv)


def _alone(args: Any, test: Mapping[str, tuple[Path, str]]) -> dict[str, float]:
    """Word errors of the utterances one by one."""
    asr = load(args.bundle, precision="int8", threads=args.threads, search=args.search)
    heard = [asr(path).text for path, _ in test.values()]
    return _errors([text for _, text in test.values()], heard)


def _record(test: Mapping[str, tuple[Path, str]], seconds: float, audio: Path) -> list[str]:
    """Write a recording of so many seconds, and a short one to warm up; returns what is said."""
    rng = np.random.default_rng(0)
    names, said, samples = list(test), [], 0
    with soundfile.SoundFile(audio, "w", RATE, 1) as file:
        while samples < seconds * RATE:
            path, text = test[names[rng.integers(len(names))]]
            pause = np.zeros(int(rng.uniform(*PAUSES) * RATE))
            both = np.concatenate([read_audio(path, RATE).samples, pause])
            file.write(both + rng.normal(0, NOISE, len(both)))
            said.append(text)
            samples += len(both)
    start = audio.with_suffix(".start.flac")
    soundfile.write(start, soundfile.read(audio, frames=40 * RATE)[0], RATE)
    return said


def _measured(args: Any, audio: Path, said: Sequence[str], way: str, minutes: int) -> Any:
    print(minutes, "minutes", way, flush=True)
    text = audio.with_suffix(".txt")
    values = [args.bundle, audio, text, args.threads, args.batch_size]
    settings = [json.dumps(WAYS[way]), json.dumps({"search": args.search})]
    command = [sys.executable, "-c", WORKER, *map(str, values), *settings]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    errors = _errors([" ".join(said)], [" ".join(text.read_text("utf-8").split())])
    rtf = found.pop("seconds") / soundfile.info(audio).duration
    return errors | {"rtf": round(rtf, 4)} | {k: round(v, 1) for k, v in found.items()}


def _errors(said: Sequence[str], heard: Sequence[str | None]) -> dict[str, float]:
    """Word error rate and its parts, in per cent of what is said."""
    found = jiwer.process_words(list(said), [text or "" for text in heard])
    words = found.hits + found.substitutions + found.deletions
    kinds = ("substitutions", "insertions", "deletions")
    return {"words": words, "wer": round(100 * found.wer, 3)} | {
        kind: round(100 * getattr(found, kind) / words, 3) for kind in kinds
    }


def _table(figures: Mapping[str, Any]) -> Table:
    columns = [
        "minutes",
        "cut",
        "segments",
        "words",
        "word errors %",
        "RTF",
        "MB loaded",
        "peak MB",
    ]
    rows = [
        [minutes, way, f["segments"], f["words"], _parts(f)]
        + [f[key] for key in ("rtf", "loaded_mb", "peak_mb")]
        for minutes, ways in figures["minutes"].items()
        for way, f in ways.items()
    ]
    return Table(columns, rows)


def _parts(f: Mapping[str, Any]) -> str:
    parts = (f["substitutions"], f["insertions"], f["deletions"])
    return f"{f['wer']:.2f} = " + " + ".join(f"{part:.2f}" for part in parts)


def _checks(figures: Mapping[str, Any]) -> list[Check]:
    alone, by_length = figures["alone"], figures["minutes"]
    shortest, longest = by_length[min(by_length)], by_length[max(by_length)]
    checks = [_check("vad: word errors %", longest["vad"]["wer"], alone["wer"] + POINTS)]
    for way in WAYS:
        for kind in ("insertions", "deletions"):
            what = f"{way}: {kind} in % of the words"
            checks.append(_check(what, longest[way][kind], alone[kind] + POINTS))
        growth = longest[way]["peak_mb"] / shortest[way]["peak_mb"]
        checks.append(_check(f"{way}: peak memory, longest to shortest", growth, GROWTH))
    return checks


def _check(what: str, value: float, limit: float) -> Check:
    return Check(what, round(value, 3), f"at most {limit:.3f}", value <= limit)


if __name__ == "__main__":
    sys.exit(main())
