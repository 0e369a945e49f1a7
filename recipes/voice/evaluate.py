"""How intelligible a voice is, and how close to the speech it learnt from.

    python recipes/voice/evaluate.py WORK BUNDLE [--asr DIGITS]

Word error rates on held-out digits by a bundle that recognises them (recipes/digits),
and mel-cepstral distortion on held-out sentences, for: eSpeak NG itself, the vocoder given eSpeak's
features (`resynthesis`), and the whole voice.

Shapes: S samples, T frames, C cepstra.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import soundfile
import soxr
import torch
from scipy.fft import dct
from vocoder import features

from espnet_onnx import load
from espnet_onnx.types import Array
from espnet_onnx.vocoder_files import LiveVocoder, VocoderFiles

__all__ = ["distortion", "evaluate", "main"]

CEPSTRA = 24
NARROW = 8000  # Hz
QUIET = 0.1  # seconds before and after what is recognised


def distortion(a: Array, b: Array) -> float:
    """Mel-cepstral distortion in dB of (T, C) and (T', C) along the cheapest way through both."""
    cost = np.linalg.norm(a[:, None] - b[None], axis=-1)
    total = np.full((len(a) + 1, len(b) + 1), np.inf)
    steps = np.zeros(total.shape, np.int64)
    total[0, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            best = min(((i, j), (i, j + 1), (i + 1, j)), key=lambda at: total[at])
            total[i + 1, j + 1] = total[best] + cost[i, j]
            steps[i + 1, j + 1] = steps[best] + 1
    return float(10 / np.log(10) * np.sqrt(2) * total[-1, -1] / steps[-1, -1])


def _said(work: Path, split: str) -> list[tuple[str, Array]]:
    """Texts and (S,) samples of a split."""
    folder = work / "data" / split
    rows = (row.split(maxsplit=1) for row in (folder / "text").read_text("utf-8").splitlines())
    return [(t, soundfile.read(folder / f"wav/{n}.wav", dtype="float32")[0]) for n, t in rows]


def _words(text: str) -> str:
    return " ".join(text.upper().replace(",", " ").replace(".", " ").split())


class _Versions:
    """The same speech by eSpeak, by the vocoder from eSpeak's features, and by the voice."""

    def __init__(self, vocoder: LiveVocoder, voice: Any) -> None:
        self.vocoder, self.voice = vocoder, voice
        self.extract = features(vocoder.files.config)

    def mels(self, wave: Array) -> torch.Tensor:
        mels: torch.Tensor = self.extract(torch.from_numpy(wave)[None])[0][0]
        return mels

    def __call__(self, text: str, wave: Array) -> Mapping[str, Array]:
        again = self.vocoder(self.mels(wave)).numpy()
        return {"espeak": wave, "resynthesis": again, "voice": self.voice(text).wave}

    def cepstra(self, wave: Array) -> Array:
        """(T, C) of a logarithm that is their sum of cosines, without the first: loudness."""
        logs = np.log(10) * self.mels(wave).numpy()
        return np.asarray(dct(logs))[:, 1 : CEPSTRA + 1] / logs.shape[1]


def evaluate(work: Path, bundle: Path, asr: Path | None) -> dict[str, dict[str, float]]:
    """Word error rates (0 to 1) and distortions (dB), by version.

    Args:
        work: folder that train.py wrote.
        bundle: its model, exported.
        asr: bundle that recognises digits; None leaves the word error rates out.
    """
    live = VocoderFiles.find(work / "model" / "hifigan").load()
    versions = _Versions(live, load(bundle))
    found: dict[str, dict[str, float]] = {"mcd": {}}
    rows = [(wave, versions(text, wave)) for text, wave in _said(work, "sentences")]
    for name in ("resynthesis", "voice"):
        pairs = [(versions.cepstra(wave), versions.cepstra(row[name])) for wave, row in rows]
        found["mcd"][name] = float(np.mean([distortion(a, b) for a, b in pairs]))
    if asr is not None:
        said = _said(work, "digits")
        digits = [versions(text, wave) for text, wave in said]
        truth = [_words(text) for text, _ in said]
        rate = int(versions.extract.fs)
        found["wer"] = _error_rates(load(asr), truth, digits, rate)
    return found


def _error_rates(
    asr: Any, truth: Sequence[str], rows: Sequence[Mapping[str, Array]], rate: int
) -> dict[str, float]:
    heard = {
        name: [asr(_as_recorded(row[name], rate)).text for row in rows]
        for name in ("espeak", "resynthesis", "voice")
    }
    return {name: float(jiwer.wer(list(truth), texts)) for name, texts in heard.items()}


def _as_recorded(wave: Array, rate: int) -> Array:
    """With silence around, and with the band of the recordings that the recogniser learnt from."""
    narrow = soxr.resample(np.pad(wave, int(QUIET * rate)), rate, NARROW)
    return np.asarray(soxr.resample(narrow, NARROW, rate))


def main(argv: Sequence[str] | None = None) -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder that train.py wrote")
    parser.add_argument("bundle", type=Path, help="its model, exported")
    parser.add_argument("--asr", type=Path, help="bundle that recognises digits")
    args = parser.parse_args(argv)
    print(json.dumps(evaluate(args.work, args.bundle, args.asr), indent=2))


if __name__ == "__main__":
    main()
