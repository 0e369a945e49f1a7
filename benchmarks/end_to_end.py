"""Speed, memory and size of a bundle beside ESPnet: audio in memory to text, calls alternating.

    python benchmarks/end_to_end.py MODEL BUNDLE speech1.flac speech2.flac ...

With --batch N every side searches N recordings at once, ESPnet with its `batch_decode`.
With --lm LM a language model, which MODEL's tokens suit, decodes on every side.
Every search makes the same number of tokens, so random weights do. It fails where token counts
differ, where fp32 tokens are neither ESPnet's nor a tie by ESPnet's own score, or where a limit
given on the command line is missed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from inputs import RATE, ensure_bundle, sizes_mb, speech
from report import Check, Report, Table, options

from espnet_onnx import loader, sources
from espnet_onnx.bench import Side, bench
from espnet_onnx.companions import Companions
from espnet_onnx.reference import Recogniser, same_answer
from espnet_onnx.types import Array

__all__ = ["main"]

ESPNET, ESPNET_INT8 = "ESPnet", "ESPnet int8"
PRECISIONS = ("fp32", "int8")


def main(argv: Sequence[str] | None = None) -> int:
    """Race all four sides, check the answers, write the result."""
    args = _arguments(argv)
    name = args.name or args.model.stem
    report = Report.start("end_to_end", name, args.threads, argv)
    search = {"beam_size": args.beam_size, "ctc_weight": args.ctc_weight}
    if args.lm is not None:
        search["lm_weight"] = args.lm_weight
    ensure_bundle(args.model, args.bundle, search, args.threads, args.lm)
    inputs = _inputs(args)
    decoding = {**search, "maxlenratio": float(-args.tokens)}
    result = bench(
        _sides(args),
        inputs,
        threads=args.threads,
        rounds=args.rounds,
        warm_up=args.warm_up,
        decoding=decoding,
        progress=lambda step: print(step, flush=True),
    )
    verdicts = _verdicts(args, result, inputs, decoding)
    figures = _figures(result, verdicts, args)
    return report.save(
        args.results,
        f"End to end, {name}: beam {args.beam_size}, CTC {args.ctc_weight}, {_lm(args)}"
        f"{args.tokens} tokens",
        figures,
        _table(figures),
        _checks(figures, args),
        "Real-time factor RTF; how many times faster than ESPnet, and than ESPnet with its own "
        "quantize_asr_model=True, is the median of per-round ratios; peak memory of a fresh "
        f"process on {next(iter(inputs))}",
    )


def _inputs(args: Any) -> dict[str, list[Array]]:
    """Name -> recordings of a batch: the same speech, each beginning elsewhere in it."""
    cuts = speech(args.audio, args.seconds)
    if args.batch == 1:
        return {length: [samples] for length, samples in cuts.items()}
    return {
        f"{args.batch} x {length}": [
            np.roll(samples, i * len(samples) // args.batch) for i in range(args.batch)
        ]
        for length, samples in cuts.items()
    }


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = options(__doc__)
    parser.add_argument("audio", nargs="+", help="recordings; joined and cut to length")
    parser.add_argument(
        "--seconds", type=float, nargs="+", default=[10.0, 5.0], help="memory is of the first"
    )
    parser.add_argument("--tokens", type=int, default=40, help="tokens that every search makes")
    parser.add_argument("--beam-size", type=int, default=10)
    parser.add_argument("--ctc-weight", type=float, default=0.3)
    parser.add_argument("--lm", type=Path, help="language model, as random_model.py writes one")
    parser.add_argument("--lm-weight", type=float, default=0.6)
    parser.add_argument("--batch", type=int, default=1, help="recordings in one search")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds")
    parser.add_argument("--warm-up", type=int, default=2, help="rounds before them")
    parser.add_argument("--no-quantised-espnet", action="store_true", help="leave that side out")
    parser.add_argument("--fp32-faster", type=float, help="fail below so many times ESPnet")
    parser.add_argument("--int8-faster", type=float, help="fail below so many times ESPnet")
    parser.add_argument("--memory-share", type=float, help="fail above this share of ESPnet's")
    return parser.parse_args(argv)


def _lm(args: Any) -> str:
    return "" if args.lm is None else f"language model {args.lm.stem} {args.lm_weight}, "


def _sides(args: Any) -> list[Side]:
    lm = None if args.lm is None else str(args.lm)
    quantised = [Side(ESPNET_INT8, "espnet", str(args.model), "int8", lm)]
    return [
        Side(ESPNET, "espnet", str(args.model), lm=lm),
        *(quantised if not args.no_quantised_espnet else []),
        *(Side(p, "bundle", str(args.bundle), p) for p in PRECISIONS),
    ]


def _verdicts(
    args: Any,
    result: Mapping[str, Any],
    inputs: Mapping[str, Sequence[Array]],
    decoding: Mapping[str, Any],
) -> dict[str, str]:
    """How the fp32 tokens compare with ESPnet's, by input, the worst of a batch.

    ESPnet is asked where they differ, one recording at a time: its batches depend on padding.
    """
    verdicts, espnet = {}, None
    for length, batch in inputs.items():
        sides = result["inputs"][length]["sides"]
        found = {"same"}
        pairs = zip(batch, sides["fp32"]["ids"], sides[ESPNET]["ids"], strict=True)
        for samples, ours, theirs in pairs:
            if ours != theirs:
                espnet = espnet or _espnet(args, decoding)
                found.add(same_answer(espnet, samples, ours, espnet(samples)))
        verdicts[length] = max(found, key=("same", "tie", "different").index)
    return verdicts


def _espnet(args: Any, decoding: Mapping[str, Any]) -> Recogniser:
    companions = Companions.of(args.lm).load()
    loaded = loader.load_model(sources.find(args.model))
    return Recogniser(loaded, **companions.inference, **decoding)


def _figures(result: Mapping[str, Any], verdicts: Mapping[str, str], args: Any) -> dict[str, Any]:
    models = [args.model] if args.lm is None else [args.model, args.lm]
    weights = [sources.find(model).weights for model in models]
    return {
        **{k: result[k] for k in ("decoding", "rounds", "warm_up")},
        "inputs": {
            length: {
                "seconds": timed["samples"] / RATE,
                "fp32_tokens": verdicts[length],
                "sides": {n: _side(row, timed["samples"]) for n, row in timed["sides"].items()},
            }
            for length, timed in result["inputs"].items()
        },
        "memory": result["memory"],
        "size_mb": {
            "checkpoint": round(sum(w.stat().st_size for w in weights if w) / 1e6, 1),
            **sizes_mb(args.bundle),
        },
    }


def _side(row: Mapping[str, Any], samples: int) -> dict[str, Any]:
    kept = {k: row[k] for k in ("median_s", "quartiles_s", "times_faster_than") if k in row}
    rtf = round(row["median_s"] * RATE / samples, 4)
    return {**kept, "rtf": rtf, "tokens": row["tokens"], "graphs": row.get("profile", {})}


def _table(figures: Mapping[str, Any]) -> Table:
    columns = ["audio", "side", "seconds (quartiles)", "RTF", "x ESPnet", "x ESPnet int8"]
    rows = []
    for length, timed in figures["inputs"].items():
        for name, side in timed["sides"].items():
            low, high = side["quartiles_s"]
            faster = side["times_faster_than"]
            rows.append(
                [
                    length,
                    name,
                    f"{side['median_s']:.3f} ({low:.3f} to {high:.3f})",
                    f"{side['rtf']:.4f}",
                    *(f"{faster[n]:.2f}" if n in faster else None for n in (ESPNET, ESPNET_INT8)),
                    f"{figures['memory'][name]['peak_mb']:.0f}",
                    f"{figures['memory'][name]['imports_mb']:.0f}",
                    figures["size_mb"].get(name) or figures["size_mb"]["checkpoint"],
                ]
            )
    return Table([*columns, "peak MB", "MB after imports", "MB on disk"], rows)


def _checks(figures: Mapping[str, Any], args: Any) -> list[Check]:
    checks = []
    for length, timed in figures["inputs"].items():
        sides, verdict = timed["sides"], timed["fp32_tokens"]
        counts = {name: side["tokens"] for name, side in sides.items()}
        same = len(set(map(tuple, counts.values()))) == 1
        checks.append(Check(f"{length}: token counts", counts, "all equal", same))
        good = verdict in {"same", "tie"}
        checks.append(Check(f"{length}: fp32 tokens", verdict, "same or tie", good))
    first, sides = next((k, v["sides"]) for k, v in figures["inputs"].items())
    peak = {name: row["peak_mb"] for name, row in figures["memory"].items()}
    for p, faster in zip(PRECISIONS, (args.fp32_faster, args.int8_faster), strict=True):
        value, share = sides[p]["times_faster_than"][ESPNET], round(peak[p] / peak[ESPNET], 3)
        if faster is not None:
            what = f"{first}: {p}, times faster than ESPnet"
            checks.append(Check(what, value, f"at least {faster:g}", value >= faster))
        if args.memory_share is not None:
            what, limit = f"{first}: {p}, share of ESPnet's peak memory", args.memory_share
            checks.append(Check(what, share, f"at most {limit:g}", share <= limit))
    return checks


if __name__ == "__main__":
    sys.exit(main())
