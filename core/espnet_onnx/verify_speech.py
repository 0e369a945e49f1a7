"""What a bundle says against what ESPnet says, with the same noise on both sides.

Shapes: N samples, U tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from .parts.noise import Gaussian
from .parts.synthesizer import Synthesizer
from .speaker import Speaker
from .types import Array

__all__ = ["FULL_SCALE", "SpeechCheck", "compare_speech"]

# ANCHORS of the project: waveforms, as a share of full scale.
FULL_SCALE = 1e-3
_QUIETEST = 1e-20  # of the signal's power, so that no difference at all is 200 dB


@attrs.frozen
class SpeechCheck:
    """One text, spoken by both sides.

    Attributes:
        text: what was said.
        precision: of the bundle.
        seconds: of its waveform.
        espnet_seconds: of ESPnet's.
        loudest: sample of ESPnet's waveform, 1 being full scale.
        same_tokens: whether both read the same tokens in the text.
        same_durations: whether both give each token the same frames; None where one does not tell.
        difference: max |a - b| / `loudest`; None where the waveforms differ in length.
        snr: the power of ESPnet's waveform to that of the difference in dB; None likewise.
    """

    text: str
    precision: str
    seconds: float
    espnet_seconds: float
    loudest: float
    same_tokens: bool
    same_durations: bool | None
    difference: float | None
    snr: float | None

    @property
    def same(self) -> bool:
        """Whether it is ESPnet's speech, within the tolerance of fp32."""
        close = self.difference is not None and self.difference <= FULL_SCALE
        return close and self.same_tokens and self.same_durations is not False


def compare_speech(
    espnet: Speaker,
    sides: Mapping[str, Synthesizer],
    inputs: Sequence[str | Sequence[int]],
    voice: Mapping[str, Any],
    *,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda step: None,
    **settings: Any,
) -> Iterator[SpeechCheck]:
    """Every text by every side; the noise is what the first side asks for.

    Args:
        espnet: the model alive, with the vocoder that the bundle was exported with.
        sides: the bundle by precision, fp32 first.
        inputs: texts, or their token ids.
        voice: as a call takes it.
        seed: of the noise; None is the bundle's own.
        settings: of the acoustic model.
    """
    for text in inputs:
        progress(str(text)[:60])
        wanted: tuple[Array, Array | None] | None = None
        for precision, tts in sides.items():
            options = {**tts.settings.options, **settings}
            noise = _Drawing(Gaussian((tts.settings.seed or 0) if seed is None else seed))
            said = tts(text, longest=None, noise=noise, **settings, **voice)
            if wanted is None:
                wanted = espnet(said.ids, noise.drawn, voice, options, strict=False)
            wave, durations = wanted
            ours = said.details.get("duration", said.durations)
            yield SpeechCheck(
                str(text),
                precision,
                said.seconds,
                len(wave) / said.sample_rate,
                float(np.abs(wave).max(initial=0)),
                not isinstance(text, str) or espnet.ids(text) == list(said.ids),
                None if ours is None or durations is None else _equal(ours, durations),
                *_apart(said.wave, wave),
            )


class _Drawing:
    """Noise that is written down; see `isolation.injected_noise`."""

    def __init__(self, noise: Gaussian) -> None:
        self._noise = noise
        self.drawn: list[tuple[str, Array]] = []

    def __call__(self, name: str, shape: Sequence[int]) -> Array:
        self.drawn.append((name, self._noise(name, shape)))
        return self.drawn[-1][1]


def _equal(ours: Any, theirs: Array) -> bool:
    return bool(np.array_equal(np.ravel(ours), theirs))


def _apart(ours: Array, theirs: Array) -> tuple[float | None, float | None]:
    """(N,) and (N,) -> largest difference as a share of the loudest sample, and SNR in dB.

    Griffin-Lim's last frame is silent on our side and missing on ESPnet's.
    """
    shared = min(len(ours), len(theirs))
    if not shared or ours[shared:].any() or len(theirs) > shared:
        return None, None
    ours, theirs = ours[:shared].astype(np.float64), theirs[:shared].astype(np.float64)
    loudest, power = np.abs(theirs).max(), (theirs**2).sum()
    if not loudest > 0:
        return (None, None) if ours.any() else (0.0, None)
    error = max(((ours - theirs) ** 2).sum() / power, _QUIETEST)
    return float(np.abs(ours - theirs).max() / loudest), float(-10 * np.log10(error))
