"""A transducer beside ESPnet, audio in memory to text: speed, memory, and how often what is called.

    python benchmarks/transducer.py MODEL BUNDLE speech1.flac ... --random
    python benchmarks/transducer.py MODEL BUNDLE speech1.flac ...

With --random MODEL is written where there is none: full size, random, its blank fitted so that
greedy search says a token in every 6th frame. It fails where fp32 tokens are not ESPnet's,
or where a limit given on the command line is missed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from blank_row import MARGIN, fit_blank
from inputs import RATE, ensure_bundle, sizes_mb, speech
from random_model import write_model
from report import Check, Report, Table, options

from espnet_onnx import loader, sources
from espnet_onnx.bench import Side, bench
from espnet_onnx.configs import read_yaml
from espnet_onnx.errors import InputError
from espnet_onnx.inference import inference
from espnet_onnx.types import Array

__all__ = ["main"]

CONFIG = Path(__file__).resolve().parent / "conf" / "librispeech_conformer_transducer.yaml"
ESPNET = "ESPnet"
PRECISIONS = ("fp32", "int8")
SEARCHES = {"greedy": {"beam_size": 1}, "default, beam 5": {"beam_size": 5}}


def main(argv: Sequence[str] | None = None) -> int:
    """Race all sides with both searches, count calls, write the result."""
    args = _arguments(argv)
    name = args.name or args.model.stem
    report = Report.start("transducer", name, args.threads, argv)
    inputs = {k: [samples] for k, samples in speech(args.audio, args.seconds).items()}
    if args.random and not (args.model / "model.pth").is_file():
        _write(args.model, [samples for (samples,) in inputs.values()])
    ensure_bundle(args.model, args.bundle, SEARCHES["default, beam 5"], args.threads)
    loaded = loader.load_model(sources.find(args.model))
    figures = {}
    for label, decoding in SEARCHES.items():
        result = bench(
            _sides(args),
            inputs,
            threads=args.threads,
            rounds=args.rounds,
            decoding=decoding,
            progress=lambda step: print(step, flush=True),
        )
        calls = {k: _calls(loaded, samples, decoding) for k, (samples,) in inputs.items()}
        figures[label] = _figures(result, calls)
    return report.save(
        args.results,
        f"Transducer end to end, {name}",
        {"searches": figures, "size_mb": sizes_mb(args.bundle), "rounds": args.rounds},
        _table(figures),
        _checks(figures, args),
        "calls: prediction network / joint network (both in one call where ours reads a token); "
        "x ESPnet is the median of per-round ratios; peak memory of a fresh process on "
        f"{next(iter(inputs))}",
    )


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = options(__doc__)
    parser.add_argument("audio", nargs="+", help="recordings; joined and cut to length")
    parser.add_argument("--random", action="store_true", help="write MODEL where there is none")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 5.0])
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds")
    parser.add_argument("--fp32-faster", type=float, help="greedy: fail below so many times ESPnet")
    parser.add_argument("--int8-faster", type=float, help="beam 5: fail below so many times ESPnet")
    return parser.parse_args(argv)


def _write(folder: Path, recordings: Sequence[Array]) -> None:
    write_model(read_yaml(CONFIG), folder)
    loaded = loader.load_model(sources.find(folder))
    error = fit_blank(loaded.model, recordings)
    if error >= MARGIN:
        raise InputError(f"the blank's row misses by {error:.1f}: give less audio")
    torch.save(loaded.model.state_dict(), folder / "model.pth")


def _sides(args: Any) -> list[Side]:
    ours = [Side(p, "bundle", str(args.bundle), p) for p in PRECISIONS]
    return [Side(ESPNET, "espnet", str(args.model)), *ours]


def _calls(loaded: Any, samples: Array, decoding: Mapping[str, Any]) -> dict[str, int]:
    """How often ESPnet reads a token, and joins."""
    counts = {"prediction": 0, "joint": 0}

    def count(name: str) -> Any:
        def hook(*_: Any) -> None:
            counts[name] += 1

        return hook

    networks = (
        (loaded.model.decoder.decoder[0], "prediction"),
        (loaded.model.joint_network, "joint"),
    )
    hooks = [module.register_forward_hook(count(name)) for module, name in networks]
    try:
        inference(loaded, **decoding)(samples)
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def _figures(result: Mapping[str, Any], calls: Mapping[str, Any]) -> dict[str, Any]:
    inputs = {}
    for length, timed in result["inputs"].items():
        sides = {}
        for name, row in timed["sides"].items():
            graphs = row.get("profile", {})
            step, joint = (
                graphs.get(f"prediction.{graph}", {}).get("calls", 0) for graph in ("step", "joint")
            )
            sides[name] = {
                **{k: row[k] for k in ("median_s", "quartiles_s", "times_faster_than", "tokens")},
                "rtf": round(row["median_s"] * RATE / timed["samples"], 4),
                "calls": calls[length]
                if name == ESPNET
                else {"prediction": step, "joint": step + joint},
                "graphs": graphs,
            }
        ids = {name: row["ids"] for name, row in timed["sides"].items()}
        inputs[length] = {"same": ids["fp32"] == ids[ESPNET], "sides": sides}
    return {"inputs": inputs, "memory": result["memory"]}


def _table(figures: Mapping[str, Any]) -> Table:
    columns = ["search", "audio", "side", "seconds (quartiles)", "RTF", "x ESPnet"]
    rows = []
    for label, found in figures.items():
        for length, timed in found["inputs"].items():
            for name, side in timed["sides"].items():
                low, high = side["quartiles_s"]
                rows.append(
                    [
                        label,
                        length,
                        name,
                        f"{side['median_s']:.3f} ({low:.3f} to {high:.3f})",
                        f"{side['rtf']:.4f}",
                        f"{side['times_faster_than'].get(ESPNET, 1.0):.2f}",
                        *side["tokens"],
                        " / ".join(map(str, side["calls"].values())),
                        f"{found['memory'][name]['peak_mb']:.0f}",
                    ]
                )
    return Table([*columns, "tokens", "calls", "peak MB"], rows)


def _checks(figures: Mapping[str, Any], args: Any) -> list[Check]:
    checks = [
        Check(f"{label}, {length}: fp32 tokens", timed["same"], "ESPnet's", timed["same"])
        for label, found in figures.items()
        for length, timed in found["inputs"].items()
    ]
    limits = zip(SEARCHES, PRECISIONS, (args.fp32_faster, args.int8_faster), strict=True)
    for label, precision, limit in limits:
        length, timed = next(iter(figures[label]["inputs"].items()))
        faster = timed["sides"][precision]["times_faster_than"][ESPNET]
        if limit is not None:
            what = f"{label}, {length}: {precision}, times faster than ESPnet"
            checks.append(Check(what, faster, f"at least {limit:g}", faster >= limit))
    return checks


if __name__ == "__main__":
    sys.exit(main())
