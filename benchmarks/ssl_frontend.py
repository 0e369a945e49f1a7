"""A self-supervised frontend beside ESPnet's: seconds, memory, and how close the features are.

    python benchmarks/ssl_frontend.py MODEL BUNDLE speech.flac ... --upstream hubert_large_ll60k

MODEL is written where it is missing: a recogniser over s3prl's upstream of that name, its weights
random. The frontend alone is exported and timed, from samples to the weighted sum of all states.
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
import torch
import yaml
from inputs import RATE, sizes_mb, speech
from report import Check, Report, Table, options

from espnet_onnx.bench import Worker, spread
from espnet_onnx.export import export
from espnet_onnx.loader import build_model
from espnet_onnx.parity import cosine, difference

__all__ = ["main", "write_model"]

ESPNET, PRECISIONS = "ESPnet", ("fp32", "int8")
SIDES = (ESPNET, *PRECISIONS)
WORKER = Path(__file__).with_name("ssl_worker.py")
CONFIG = {
    "frontend": "s3prl",
    "normalize": None,
    "specaug": None,
    "encoder": "transformer",
    "encoder_conf": {
        "input_layer": "linear",
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 1,
    },
    "model_conf": {"ctc_weight": 1.0},
    "token_list": ["<blank>", "<unk>", "a", "<sos/eos>"],
    "token_type": "char",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Race the sides, measure memory, compare features, write the result."""
    args = _arguments(argv)
    report = Report.start("ssl_frontend", args.name or args.upstream, args.threads, argv)
    if not (args.model / "model.pth").is_file():
        write_model(args.upstream, args.model)
    if not args.bundle.exists():
        export(
            args.model,
            args.bundle,
            role="frontend",
            precision=PRECISIONS,
            keep_slower=True,
            threads=args.threads,
        )
    figures: dict[str, Any] = {"rounds": args.rounds, "warm_up": args.warm_up, "inputs": {}}
    with tempfile.TemporaryDirectory() as folder:
        files = _write(speech(args.audio, args.seconds), Path(folder))
        figures["memory"] = {
            side: _memory(side, args, next(iter(files.values()))) for side in SIDES
        }
        with ExitStack() as stack:
            workers = {s: stack.enter_context(closing(_worker(s, args))) for s in SIDES}
            for length, file in files.items():
                figures["inputs"][length] = _race(workers, file, args)
    figures["size_mb"] = {
        "checkpoint": round((args.model / "model.pth").stat().st_size / 1e6, 1),
        **sizes_mb(args.bundle),
    }
    title = f"Frontend s3prl, {args.upstream}, random weights"
    return report.save(
        args.results,
        title,
        figures,
        _table(figures),
        _checks(figures, args),
        "How many times faster than ESPnet is the median of per-round ratios; peak memory of a "
        f"fresh process on {next(iter(files))}. ESPnet's frontend keeps a copy of s3prl's weights "
        "for training, which is part of its peak",
    )


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = options(__doc__)
    parser.add_argument("audio", nargs="+", help="recordings; joined and cut to length")
    parser.add_argument("--upstream", default="hubert_large_ll60k", help="s3prl's name")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0])
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds")
    parser.add_argument("--warm-up", type=int, default=2, help="rounds before them")
    parser.add_argument("--fp32-faster", type=float, help="fail below so many times ESPnet")
    parser.add_argument("--int8-faster", type=float, help="fail below so many times ESPnet")
    parser.add_argument(
        "--memory-share", type=float, help="fp32: fail above this share of ESPnet's"
    )
    return parser.parse_args(argv)


def write_model(upstream: str, folder: Path) -> None:
    """Write a recogniser over an s3prl upstream, every matrix drawn with seed 0."""
    inner = {"upstream": upstream}
    conf = {"frontend_conf": inner, "download_dir": "./hub", "multilayer_feature": True}
    config = {**CONFIG, "frontend_conf": conf}
    folder.mkdir(parents=True, exist_ok=True)
    model, _ = build_model(config, "asr", base=folder)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            # A weight-normed convolution has its gains apart, (1, 1, K).
            if weight.dim() == 2:
                weight.uniform_(-1, 1).mul_(weight.shape[1] ** -0.5)
            elif weight.dim() == 3 and len(weight) > 1:
                weight.normal_().mul_((2 / weight[0].numel()) ** 0.5)
    torch.save(model.state_dict(), folder / "model.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")


def _write(cuts: Mapping[str, Any], folder: Path) -> dict[str, str]:
    files = {}
    for length, samples in cuts.items():
        files[length] = str(folder / f"{length}.npy")
        np.save(files[length], samples)
    return files


def _worker(side: str, args: Any) -> Worker:
    path = args.model if side == ESPNET else args.bundle
    hello = {"side": side, "path": str(path), "threads": args.threads}
    return Worker(side, [sys.executable, str(WORKER)], hello, args.threads)


def _memory(side: str, args: Any, file: str) -> dict[str, float]:
    with closing(_worker(side, args)) as fresh:
        answer = fresh({"audio": file})
    return {k: round(v, 1) for k, v in answer.items() if k.endswith("_mb")}


def _race(workers: Mapping[str, Worker], file: str, args: Any) -> dict[str, Any]:
    taken: dict[str, list[float]] = {side: [] for side in workers}
    for i in range(args.warm_up + args.rounds):
        for side, worker in workers.items():
            seconds = worker({"audio": file})["seconds"]
            if i >= args.warm_up:
                taken[side].append(seconds)
    feats = {}
    for side, worker in workers.items():
        worker({"audio": file, "save": f"{file}.{side}.npy"})
        feats[side] = np.load(f"{file}.{side}.npy")
    seconds = len(np.load(file)) / RATE
    sides = {
        side: _row(taken[side], taken[ESPNET], feats[side], feats[ESPNET], seconds)
        for side in workers
    }
    return {"seconds": seconds, "frames": len(feats[ESPNET]), "sides": sides}


def _row(
    own: Sequence[float], base: Sequence[float], mine: Any, theirs: Any, seconds: float
) -> dict[str, Any]:
    row = spread(own)
    ratios = [b / o for b, o in zip(base, own, strict=True)]
    return {
        **row,
        "rtf": round(row["median_s"] / seconds, 4),
        "times_faster": round(statistics.median(ratios), 3),
        "ratios": [round(r, 3) for r in ratios],
        "difference": float(f"{difference(mine, theirs):.3g}"),
        "cosine": round(cosine(mine, theirs), 6),
    }


def _table(figures: Mapping[str, Any]) -> Table:
    rows = []
    for length, timed in figures["inputs"].items():
        for name, side in timed["sides"].items():
            low, high = side["quartiles_s"]
            memory = figures["memory"][name]
            rows.append(
                [
                    length,
                    name,
                    f"{side['median_s']:.3f} ({low:.3f} to {high:.3f})",
                    f"{side['rtf']:.4f}",
                    f"{side['times_faster']:.2f}",
                    f"{side['cosine']:.5f}",
                    f"{memory['peak_mb']:.0f}",
                    f"{memory['imports_mb']:.0f}",
                    f"{memory['copy_mb']:.0f}",
                    figures["size_mb"].get(name) or figures["size_mb"]["checkpoint"],
                ]
            )
    timing = ["audio", "side", "seconds (quartiles)", "RTF", "x ESPnet", "cosine"]
    return Table([*timing, "peak MB", "MB after imports", "MB of s3prl's copy", "MB on disk"], rows)


def _checks(figures: Mapping[str, Any], args: Any) -> list[Check]:
    checks = []
    for length, timed in figures["inputs"].items():
        fp32, int8 = (timed["sides"][p] for p in PRECISIONS)
        far, near = fp32["difference"], int8["cosine"]
        checks.append(Check(f"{length}: fp32, difference", far, "at most 1e-4", far <= 1e-4))
        checks.append(Check(f"{length}: int8, cosine", near, "at least 0.999", near >= 0.999))
    first, timed = next(iter(figures["inputs"].items()))
    for p, least in zip(PRECISIONS, (args.fp32_faster, args.int8_faster), strict=True):
        faster = timed["sides"][p]["times_faster"]
        if least is not None:
            what = f"{first}: {p}, times faster than ESPnet"
            checks.append(Check(what, faster, f"at least {least:g}", faster >= least))
    if args.memory_share is not None:
        peak = {side: row["peak_mb"] for side, row in figures["memory"].items()}
        share, limit = round(peak["fp32"] / peak[ESPNET], 3), args.memory_share
        what = f"{first}: fp32, share of ESPnet's peak memory"
        checks.append(Check(what, share, f"at most {limit:g}", share <= limit))
    return checks


if __name__ == "__main__":
    sys.exit(main())
