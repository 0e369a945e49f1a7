"""How close int8 stays to fp32 where random weights give no error rate to look at.

    python benchmarks/int8_quality.py MODEL BUNDLE speech1.flac speech2.flac ...

It fails where the int8 encoder's cosine with ESPnet's is below 0.999, or where the log
probabilities of the fp32 hypothesis's tokens, each after the ones before it, move by more than
0.1 nat on average.

Shapes: B utterances, S samples, T frames, D width, U tokens.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from inputs import ensure_bundle, speech
from report import Check, Report, Table, options

from espnet_onnx import load, loader, sources
from espnet_onnx.parity import cosine
from espnet_onnx.types import Array

__all__ = ["chosen_log_probs", "main"]

COSINE, NATS = 0.999, 0.1
SEARCH = {"beam_size": 10, "ctc_weight": 0.3}


def chosen_log_probs(asr: Any, samples: Array, ids: Sequence[int]) -> Array:
    """The decoder's log probability of every token after the given ones before it: (U,)."""
    encoded = asr.encode([samples])
    decoder = asr.searcher.scorers["decoder"]
    state = decoder.start(encoded.out, encoded.lengths)
    prefix, alone = [asr.searcher.sos], np.zeros((1, 1), np.int64)
    found = []
    for token in ids:
        log_probs, state = decoder.score(np.array([[prefix]]), state, alone)
        found.append(log_probs[0, 0, token])
        prefix.append(token)
    return np.array(found)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, write the result."""
    parser = options(__doc__)
    parser.add_argument("audio", nargs="+", help="recordings; joined and cut to length")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 5.0])
    parser.add_argument("--tokens", type=int, default=40, help="tokens of the hypothesis")
    args = parser.parse_args(argv)
    name = args.name or args.model.stem
    report = Report.start("int8_quality", name, args.threads, argv)
    ensure_bundle(args.model, args.bundle, SEARCH, args.threads)
    encode = _espnet_encoder(args.model, args.threads)
    fp32, int8 = (load(args.bundle, precision=p, threads=args.threads) for p in ("fp32", "int8"))
    figures, rows, checks = {}, [], []
    for length, samples in speech(args.audio, args.seconds).items():
        ids = fp32(samples, maxlenratio=float(-args.tokens), **SEARCH).ids
        found = _compare(encode(samples), fp32, int8, samples, ids)
        figures[length] = found
        rows.append([length, *(f"{found[k]:.5f}" for k in found if k != "tokens"), found["tokens"]])
        close, near = found["encoder_cosine_int8"], found["log_p_difference_mean"]
        checks.append(Check(f"{length}: cosine", close, f"at least {COSINE}", close >= COSINE))
        checks.append(Check(f"{length}: log p", near, f"at most {NATS}", near <= NATS))
    columns = ["audio", "cosine fp32", "cosine int8", "mean change of log p", "largest", "tokens"]
    title = f"int8 on random weights, {name}: encoder beside ESPnet's, and the decoder's tokens"
    return report.save(args.results, title, figures, Table(columns, rows), checks)


def _espnet_encoder(model: Any, threads: int) -> Any:
    """ESPnet's `ESPnetASRModel.encode` as a function of (S,) samples to (1, T, D)."""
    torch.set_num_threads(threads)
    live: Any = loader.load_model(sources.find(model)).model

    @torch.no_grad()
    def encode(samples: Array) -> Array:
        out, _ = live.encode(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        return np.asarray(out[0] if isinstance(out, tuple) else out)

    return encode


def _compare(
    espnet: Array, fp32: Any, int8: Any, samples: Array, ids: Sequence[int]
) -> dict[str, Any]:
    moved = np.abs(chosen_log_probs(int8, samples, ids) - chosen_log_probs(fp32, samples, ids))
    return {
        **{
            f"encoder_cosine_{p}": round(cosine(asr.encode([samples]).out, espnet), 6)
            for p, asr in (("fp32", fp32), ("int8", int8))
        },
        "log_p_difference_mean": round(float(moved.mean()), 5),
        "log_p_difference_max": round(float(moved.max()), 5),
        "tokens": len(ids),
    }


if __name__ == "__main__":
    sys.exit(main())
