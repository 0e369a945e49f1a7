"""A trained model on a test set: tokens beside ESPnet's, batches beside single calls, error rates.

    python benchmarks/digits.py MODEL BUNDLE TEST_SET

TEST_SET holds a Kaldi `text` and recordings; --lm LM lets a language model decode on every side;
--searches names settings of other searches, each tried by itself. It fails where fp32 tokens are
neither ESPnet's nor a tie by ESPnet's own score, where equal tokens have another score, where a
batch answers other than single calls in fp32, or where int8's word error rate is more than 0.3
points from fp32's.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jiwer
import torch
from inputs import RATE, ensure_bundle, utterances
from report import Check, Report, Table, options

from espnet_onnx import load, loader, sources
from espnet_onnx.companions import Companions
from espnet_onnx.parts.audio import read_audio
from espnet_onnx.reference import Answer, Recogniser, same_answer
from espnet_onnx.types import Array

__all__ = ["main"]

POINTS = 0.3
# ANCHORS of the project: equal tokens have equal scores.
APART = 1e-3
PRECISIONS = ("fp32", "int8")
VERDICTS = ("same", "tie", "different")


def main(argv: Sequence[str] | None = None) -> int:
    """Recognise everything on every side, write the result."""
    args = _arguments(argv)
    name = args.name or args.model.stem
    report = Report.start("digits", name, args.threads, argv)
    searches = _searches(args)
    ensure_bundle(args.model, args.bundle, next(iter(searches.values())), args.threads, args.lm)
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    loaded = loader.load_model(sources.find(args.model))
    companions = Companions.of(args.lm).load()
    test = utterances(args.test_set, args.limit)
    audio = [read_audio(path, RATE).samples for path, _ in test.values()]
    said = [text for _, text in test.values()]
    found = {}
    for label, decoding in searches.items():
        espnet = Recogniser(loaded, **companions.inference, **decoding)
        found[label] = _sides(label, espnet, args, decoding, audio, said)
    figures = {"utterances": len(test), "settings": searches, "searches": found}
    lm = "" if args.lm is None else f", language model {args.lm.stem} {args.lm_weight}"
    return report.save(
        args.results,
        f"Real speech, {name}: {len(test)} utterances{lm}",
        figures,
        _table(found, args.batch_size),
        _checks(found, len(test)),
        "Tokens identical to ESPnet's / equal by ESPnet's own score (1e-3) / different",
    )


def _searches(args: Any) -> dict[str, dict[str, Any]]:
    """Name -> settings."""
    if args.searches:
        found: dict[str, dict[str, Any]] = json.loads(args.searches)
        return found
    weights = {"ctc_weight": args.ctc_weight}
    if args.lm is not None:
        weights["lm_weight"] = args.lm_weight
    return {
        f"beam {beam}, CTC {args.ctc_weight}": {"beam_size": beam, **weights} for beam in args.beams
    }


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = options(__doc__)
    parser.add_argument("test_set", type=Path, help="folder with `text` and recordings")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--ctc-weight", type=float, default=0.3)
    parser.add_argument("--lm", type=Path, help="language model of MODEL's own tokens")
    parser.add_argument("--lm-weight", type=float, default=0.6)
    parser.add_argument("--searches", help="JSON: name -> settings, instead of beams and weights")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--limit", type=int, help="only so many, spread over the set")
    return parser.parse_args(argv)


def _sides(
    label: str,
    espnet: Recogniser,
    args: Any,
    decoding: Mapping[str, Any],
    audio: Sequence[Array],
    said: Sequence[str],
) -> dict[str, Any]:
    """All sides of one search."""
    print(label, "ESPnet", flush=True)
    want = [espnet(samples) for samples in audio]
    sides: dict[str, Any] = {"ESPnet": {"wer": _wer(said, [a.text for a in want])}}
    for precision in PRECISIONS:
        print(label, precision, flush=True)
        asr = load(args.bundle, precision=precision, threads=args.threads, **decoding)
        alone = [asr(samples) for samples in audio]
        batch = asr.batch(audio, batch_size=args.batch_size)
        single = [Answer(a.text, tuple(a.ids), a.score) for a in alone]
        each = list(zip(audio, single, batch, want, strict=True))
        sides[precision] = {
            "wer": _wer(said, [a.text for a in alone]),
            "tokens": _counts(same_answer(espnet, x, a.ids, w) for x, a, _, w in each),
            "score_apart": max(
                (abs(a.score - w.score) for _, a, _, w in each if tuple(a.ids) == w.ids), default=0
            ),
            "batch_wer": _wer(said, [b.text for b in batch]),
            "batch_beside_alone": _counts(same_answer(espnet, x, b.ids, a) for x, a, b, _ in each),
        }
    return sides


def _wer(said: Sequence[str], heard: Sequence[str | None]) -> float:
    """Word error rate in per cent."""
    return round(100 * float(jiwer.wer(list(said), [text or "" for text in heard])), 3)


def _counts(verdicts: Any) -> dict[str, int]:
    found = Counter(verdicts)
    return {verdict: found[verdict] for verdict in VERDICTS}


def _table(searches: Mapping[str, Any], batch: int) -> Table:
    columns = ["search", "side", "word errors %", "tokens", f"batch of {batch} beside single calls"]
    rows = [
        [
            label,
            name,
            f"{side['wer']:.2f}",
            *(" / ".join(map(str, side[k].values())) if k in side else None for k in keys),
        ]
        for keys in [("tokens", "batch_beside_alone")]
        for label, sides in searches.items()
        for name, side in sides.items()
    ]
    return Table(columns, rows)


def _checks(searches: Mapping[str, Any], count: int) -> list[Check]:
    checks = []
    for label, sides in searches.items():
        fp32, int8 = sides["fp32"], sides["int8"]
        for what in ("tokens", "batch_beside_alone"):
            good = fp32[what]["same"] + fp32[what]["tie"]
            checks.append(Check(f"{label}: fp32 {what}", good, count, good == count))
        score = fp32["score_apart"]
        checks.append(
            Check(f"{label}: fp32 scores", f"{score:.1e}", f"at most {APART}", score <= APART)
        )
        apart = round(abs(int8["wer"] - fp32["wer"]), 3)
        what = f"{label}: int8's word error rate from fp32's"
        checks.append(Check(what, apart, f"at most {POINTS}", apart <= POINTS))
    return checks


if __name__ == "__main__":
    sys.exit(main())
