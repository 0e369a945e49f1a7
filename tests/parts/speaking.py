"""A model that speaks, in a few lines of numpy: what a synthesizer needs, and nothing to learn.

Shapes: B utterances, U tokens, T frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from espnet_onnx.errors import InputError
from espnet_onnx.parts.speech_settings import Settings
from espnet_onnx.parts.synthesizer import Synthesizer
from espnet_onnx.parts.voices import Voices
from espnet_onnx.roles import Noise, Spoken
from espnet_onnx.types import Array

LETTERS = " abcdefghijklmnopqrstuvwxyz.,"
HOP, RATE = 4, 100


class Acoustic:
    """A token n lasts n % 3 + 1 frames; <sos/eos> is added, as most of ESPnet's models do."""

    vocoder = None

    def __init__(self, needs: Sequence[str] = (), noisy: bool = True) -> None:
        self.needs = needs
        self.options: Mapping[str, float] = {"alpha": 1.0, "noise_scale": 0.5}
        self.noisy = noisy
        self.longest = 0

    def __call__(
        self, tokens: Array, lengths: Array, controls: Mapping[str, Any], noise: Noise
    ) -> Spoken:
        self.longest = max(self.longest, tokens.shape[1])
        tokens = np.pad(tokens, ((0, 0), (0, 1)))
        tokens[np.arange(len(tokens)), lengths] = 30
        inside = np.arange(tokens.shape[1]) <= lengths[:, None]
        durations = np.ceil((tokens % 3 + 1) * controls["alpha"]).astype(np.int64) * inside
        durations = controls.get("durations", durations)
        if controls.get("use_teacher_forcing"):
            durations[:] = inside * len(controls["speech"])
        frames = durations.sum(1)
        feats = np.full((len(tokens), frames.max(), 2), np.nan, np.float32)
        drawn = noise("prior", (len(tokens), 2, frames.max()))
        for b, (row, length) in enumerate(zip(tokens, frames, strict=True)):
            said = np.repeat(row, durations[b]) + controls.get("sids", np.zeros(len(tokens)))[b]
            feats[b, :length] = said[:, None] / 30
            feats[b, :length] += controls["noise_scale"] * drawn[b, :, :length].T * self.noisy
        return Spoken(feats, frames, durations, details={"prob": feats[..., 0], "layers": 2})


class Vocoder:
    """A sample hears its frame and `context` on either side, and noise of its own."""

    sample_rate: int | None = None
    hop = HOP

    def __init__(self, context: int | None = 2) -> None:
        self.context = context
        self.most = 0

    def __call__(
        self, feats: Array, lengths: Array, conditions: Mapping[str, Array], noise: Noise
    ) -> Array:
        self.most = max(self.most, feats.shape[1])
        waves = noise("vocoder", (len(feats), 1, feats.shape[1] * HOP))[:, 0] * np.float32(0.1)
        reach = 2 if self.context is None else self.context
        for wave, row, length in zip(waves, feats, lengths, strict=True):
            heard = np.pad(row[:length].sum(1), reach)
            smooth = np.convolve(heard, np.ones(2 * reach + 1), "valid") / 10
            wave[: length * HOP] += np.repeat(smooth, HOP)
            wave[length * HOP :] = np.nan
        return waves


def letters(text: str) -> list[int]:
    """Token ids of a text; letters that are not in the list have none."""
    ids = [LETTERS.index(letter) + 1 for letter in text.lower() if letter in LETTERS]
    if not ids:
        raise InputError("no letter of it is known")
    return ids


def synthesizer(
    voices: Voices | None = None,
    vocoder: Any = None,
    denormalize: Callable[[Array], Array] | None = None,
    **acoustic: Any,
) -> Synthesizer:
    """The parts above, put together."""
    voices = voices or Voices(())
    model = Acoustic(voices.needs, **acoustic)
    settings = Settings(model.options, seed=777)
    return Synthesizer(model, vocoder or Vocoder(), letters, voices, RATE, settings, denormalize)
