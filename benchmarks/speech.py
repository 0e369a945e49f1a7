"""Speed, memory and faithfulness of a bundle that speaks: text in memory to waveform.

    python benchmarks/speech.py MODEL BUNDLE "A sentence of ten seconds ..." [--vocoder VOCODER]

ESPnet's `Text2Speech` with the same vocoder, or Griffin-Lim on both sides, takes turns with the
bundle. Lengths do not depend on noise: see `espnet_onnx.bench_speech.steady`. It fails where fp32
with the same noise differs from ESPnet by more than 1e-3 of the loudest sample, where durations
differ, or where a limit given on the command line is missed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from inputs import sizes_mb
from report import Check, Report, Table, options

import espnet_onnx
from espnet_onnx import loader, sources
from espnet_onnx.bench import Side
from espnet_onnx.bench_speech import Utterance, bench_speech, steady
from espnet_onnx.bundle import read_manifest
from espnet_onnx.companions import Companions
from espnet_onnx.export import export
from espnet_onnx.parts.synthesizer import Synthesizer
from espnet_onnx.speaker import Speaker
from espnet_onnx.verify_speech import FULL_SCALE, compare_speech

__all__ = ["main"]

ESPNET = "ESPnet"
# Some ten seconds.
TEXT = (
    "The old bridge over the river was closed for the winter, so they walked along the frozen bank"
    " until the lights of the town came into sight."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Race all sides, compare the waveforms, write the result."""
    args = _arguments(argv)
    name = args.name or args.model.stem
    report = Report.start("speech", name, args.threads, argv)
    _ensure_bundle(args)
    precisions = read_manifest(args.bundle).precisions
    sides = {
        p: espnet_onnx.load(args.bundle, precision=p, threads=args.threads) for p in precisions
    }
    tts: Synthesizer = sides["fp32"]
    voice = tts.voices.any()
    given = dict(_setting(text) for text in args.set)
    utterances = {_name(t): steady(tts, t, voice, **given) for t in _texts(args, tts)}
    checks = list(_compared(args, sides, utterances, voice))
    rate = tts.sample_rate
    del sides, tts
    result = bench_speech(
        _sides(args, precisions),
        utterances,
        rate,
        voice,
        threads=args.threads,
        rounds=args.rounds,
        warm_up=args.warm_up,
        progress=lambda step: print(step, flush=True),
    )
    figures = _figures(result, checks, args)
    return report.save(
        args.results,
        f"Speech, {name}",
        figures,
        _table(name, figures),
        _checks(figures, args),
        "Real-time factor RTF; how many times faster than ESPnet is the median of per-round ratios"
        " of seconds for a second of audio; to the first sound with stream=True, and how many times"
        " sooner than the whole; peak memory of a fresh process and its share of ESPnet's;"
        " difference from ESPnet with the same noise, as a share of the loudest sample",
    )


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = options(__doc__)
    parser.add_argument("text", nargs="*", help="what is said; memory is of the first")
    parser.add_argument(
        "--tokens", type=int, nargs="+", default=[], help="so many random tokens, too or instead"
    )
    parser.add_argument("--vocoder", help="as for export; default is the model's or Griffin-Lim")
    parser.add_argument("--task", help="as for export")
    parser.add_argument("--set", action="append", default=[], help="NAME=NUMBER of the model")
    parser.add_argument(
        "--static-int8", action="store_true", help="int8 of the vocoder, too, where it is exported"
    )
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds")
    parser.add_argument("--warm-up", type=int, default=2, help="rounds before them")
    parser.add_argument("--fp32-faster", type=float, help="fail below so many times ESPnet")
    parser.add_argument("--int8-faster", type=float, help="fail below so many times ESPnet")
    parser.add_argument("--memory-share", type=float, help="fail above this share of ESPnet's")
    parser.add_argument("--sooner", type=float, help="fail below: whole to time to first sound")
    return parser.parse_args(argv)


def _ensure_bundle(args: Any) -> None:
    if not args.bundle.exists():
        export(
            args.model,
            args.bundle,
            task=args.task,
            precision=("fp32", "int8"),
            vocoder=args.vocoder,
            keep_slower=True,
            static_int8=args.static_int8,
            threads=args.threads,
            progress=lambda step: print("export:", step, flush=True),
        )


def _setting(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


def _texts(args: Any, tts: Synthesizer) -> list[str | list[int]]:
    """Texts, and random tokens that are neither the first two, blank and unknown, nor <sos/eos>."""
    rng = np.random.default_rng(0)
    tokens = sources.find(args.model).config.get("token_list") or []
    random = [rng.integers(2, max(len(tokens) - 1, 3), size).tolist() for size in args.tokens]
    return [*args.text, *random] or [TEXT]


def _name(text: str | Sequence[int]) -> str:
    return text if isinstance(text, str) else f"{len(text)} tokens"


def _compared(
    args: Any,
    sides: Mapping[str, Synthesizer],
    utterances: Mapping[str, Utterance],
    voice: Mapping[str, Any],
) -> Any:
    """Rows by text and precision, with the settings of the race."""
    loaded = loader.load_model(sources.find(args.model), args.task)
    espnet = Speaker.beside(loaded, Companions.of(vocoder=args.vocoder).load())
    for name, said in utterances.items():
        for check in compare_speech(espnet, sides, [said.text], voice, **said.settings):
            yield name, {**attrs.asdict(check), "same": check.same}


def _sides(args: Any, precisions: Sequence[str]) -> list[Side]:
    espnet = Side(ESPNET, "espnet", str(args.model), vocoder=args.vocoder)
    return [espnet, *(Side(p, "bundle", str(args.bundle), p) for p in precisions)]


def _figures(result: Mapping[str, Any], checks: Sequence[Any], args: Any) -> dict[str, Any]:
    kept = ("same", "same_tokens", "same_durations", "difference", "snr", "loudest")
    inputs = {name: {**timed, "compared": {}} for name, timed in result["inputs"].items()}
    for name, check in checks:
        inputs[name]["compared"][check["precision"]] = {key: check[key] for key in kept}
    return {
        **{k: result[k] for k in ("rounds", "warm_up", "sample_rate", "memory")},
        "inputs": inputs,
        "size_mb": sizes_mb(args.bundle),
    }


def _table(case: str, figures: Mapping[str, Any]) -> Table:
    columns = ["case", "audio", "side", "seconds (quartiles)", "RTF", "x ESPnet"]
    columns += ["first sound", "sooner", "peak MB", "share of ESPnet's", "difference", "SNR"]
    rows = []
    for timed in figures["inputs"].values():
        for name, side in timed["sides"].items():
            low, high = side["quartiles_s"]
            first, peak = side.get("first"), figures["memory"][name]["peak_mb"]
            compared = timed["compared"].get(name, {})
            rows.append(
                [
                    case,
                    f"{side['audio_s']:.2f} s",
                    name,
                    f"{side['median_s']:.3f} ({low:.3f} to {high:.3f})",
                    f"{side['rtf']:.4f}",
                    f"{side['times_faster']:.2f}",
                    first and f"{first['median_s']:.3f} s",
                    first and f"{first['times_sooner']:.1f}x",
                    f"{peak:.0f}",
                    f"{_share(figures, name):.0%}",
                    _shown(compared.get("difference"), "{:.1e}"),
                    _shown(compared.get("snr"), "{:.0f} dB"),
                ]
            )
    return Table(columns, rows)


def _shown(value: float | None, form: str) -> str | None:
    return None if value is None else form.format(value)


def _share(figures: Mapping[str, Any], name: str) -> float:
    peaks = {side: row["peak_mb"] for side, row in figures["memory"].items()}
    return round(peaks[name] / peaks[ESPNET], 3)


def _checks(figures: Mapping[str, Any], args: Any) -> list[Check]:
    checks = []
    for text, timed in figures["inputs"].items():
        fp32 = timed["compared"]["fp32"]
        limit = f"durations equal, at most {FULL_SCALE:g}"
        checks.append(Check(f"{text}: fp32 wave", fp32["difference"], limit, fp32["same"]))
    first, sides = next((k, v["sides"]) for k, v in figures["inputs"].items())
    limits = {"fp32": args.fp32_faster, "int8": args.int8_faster}
    for name in [name for name in limits if name in sides]:
        side, share = sides[name], _share(figures, name)
        faster, sooner = side["times_faster"], side["first"]["times_sooner"]
        asked = [
            ("times faster than ESPnet", faster, limits[name], faster >= (limits[name] or 0)),
            ("times sooner to the first sound", sooner, args.sooner, sooner >= (args.sooner or 0)),
        ]
        for what, value, limit, passed in asked:
            if limit is not None:
                checks.append(
                    Check(f"{first}: {name}, {what}", value, f"at least {limit:g}", passed)
                )
        if args.memory_share is not None:
            what, limit = f"{first}: {name}, share of ESPnet's peak memory", args.memory_share
            checks.append(Check(what, share, f"at most {limit:g}", share <= limit))
    return checks


if __name__ == "__main__":
    sys.exit(main())
