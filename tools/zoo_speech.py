"""What a bundle says, beside ESPnet's own inference with the same noise.

Shapes: U tokens, T frames, D features, N samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet_onnx import loader, sources
from espnet_onnx.manager import Manager
from espnet_onnx.parts.noise import Gaussian
from espnet_onnx.runtime import load
from espnet_onnx.types import Array

__all__ = ["speak"]

TOKENS = (3, 14, 15, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 20, 11, 26)
# A random model ends at once or never.
ENDS = {"minlenratio": 2.0, "maxlenratio": 4.0}
# As shares of the loudest sample: random models whisper or shout.
SAME, STREAMED = 1e-3, 1e-4


def speak(bundle: Path, model: Path, task: str, manager: Manager) -> dict[str, Any]:
    """Figures of one bundle, fp32 and int8.

    Returns:
        `answers`: precision -> whether each token has the frames, and the wave the samples, that
        ESPnet's have; `wave`, `batch`, `stream`: by how much of the loudest sample fp32 differs
        from ESPnet, a ragged batch from its texts alone, and a stream from the whole; `problem`.
    """
    drawn: list[tuple[str, Array]] = []
    row: dict[str, Any] = {"answers": {}, "problem": None}
    for precision in ("fp32", "int8"):
        tts = load(bundle, precision=precision, threads=1, manager=manager)
        ends = {name: value for name, value in ENDS.items() if name in tts.settings.options}
        given = {**tts.voices.any(), **ends}
        ours = tts(TOKENS, noise=_noted(drawn) if precision == "fp32" else Gaussian(1), **given)
        frames = ours.details.get("duration", ours.durations)
        if precision == "fp32":
            options = {**tts.settings.options, **ends}
            want, lasted = _espnet(model, task, tts, drawn, options)
            row |= _figures(tts, given, ours.wave, want)
        known = frames is not None and lasted is not None
        same = ours.wave.shape == want.shape
        same = same and (not known or np.array_equal(np.ravel(frames), lasted))
        row["answers"][precision] = "same" if same else "different"
    limits = {"wave": SAME, "batch": SAME, "stream": STREAMED}
    bad = [f"{name} {row[name]:.1e}" for name, limit in limits.items() if not row[name] <= limit]
    if row["answers"]["fp32"] != "same":
        bad.append("frames differ")
    return {**row, "problem": f"speech: {', '.join(bad)}" if bad else None}


def _noted(drawn: list[tuple[str, Array]]) -> Callable[[str, Sequence[int]], Array]:
    gaussian = Gaussian(1)

    def noise(name: str, shape: Sequence[int]) -> Array:
        drawn.append((name, gaussian(name, shape)))
        return drawn[-1][1]

    return noise


def _espnet(
    model: Path,
    task: str,
    tts: Any,
    drawn: Sequence[tuple[str, Array]],
    options: Mapping[str, float],
) -> tuple[Array, Array | None]:
    """(N,), and (U,) or None. Without a vocoder of its own it has the bundle's Griffin-Lim."""
    from espnet_onnx.speaker import Speaker

    noise = dict(drawn)

    def vocoder(feats: Any) -> Array:
        lengths = np.array([len(feats)], np.int64)
        wave = tts.vocoder(feats.numpy()[None], lengths, {}, lambda name, _shape: noise[name])
        heard: Array = wave[0]
        return heard

    own = tts.vocoder is tts.acoustic.vocoder
    loaded = loader.load_model(sources.find(model), task)
    espnet = Speaker(loaded, None if own else vocoder)
    return espnet(TOKENS, drawn, tts.voices.any(), options)


def _figures(tts: Any, given: Mapping[str, Any], wave: Array, want: Array) -> dict[str, float]:
    texts = [TOKENS, TOKENS[:5]]
    alone = [tts(text, **given).wave for text in texts]
    together = [speech.wave for speech in tts.batch(texts, **given)]
    streamed = np.concatenate(list(tts(TOKENS, stream=True, **given)))
    return {
        "wave": _apart(wave, want),
        "batch": max(map(_apart, together, alone)),
        "stream": _apart(streamed, alone[0]),
    }


def _apart(got: Array, want: Array) -> float:
    if got.shape != want.shape or not want.size:
        return float("inf")
    return float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-12))
