"""Spectrogram to waveform without a trained vocoder: Griffin-Lim with momentum.

What ESPnet speaks with where no vocoder is given (`espnet2.utils.griffin_lim`, which calls
`librosa.griffinlim`; Perraudin, Balazs and Sondergaard 2013).

Shapes: B utterances, T frames, M mel bands, F frequencies, W window, N samples.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import InputError
from ..roles import Noise
from ..types import Array

__all__ = ["GriffinLim", "griffin_lim", "mel_basis", "phases"]

_MOMENTUM = 0.99
_FLOOR = 1e-10
# Factors of the cosines that a window is made of.
_WINDOWS = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08)}


@attrs.frozen
class GriffinLim:
    """See `roles.Vocoder`; mirrors `espnet2.utils.griffin_lim.Spectrogram2Waveform`.

    Attributes:
        sample_rate: in Hz.
        hop: samples a frame.
        n_fft: W' of the transform.
        win_length: W.
        window: its shape: hann, hamming or blackman.
        n_mels: M; None where features are magnitudes of all F frequencies already.
        fmin: lowest frequency of the mel bands.
        fmax: highest; None is half the sample rate.
        iterations: how often phases are made to fit.
        context: None, as the phase of every frame depends on all others.
    """

    sample_rate: int
    hop: int
    n_fft: int
    win_length: int
    window: str = "hann"
    n_mels: int | None = None
    fmin: float = 0.0
    fmax: float | None = None
    iterations: int = 8
    context: None = None

    @classmethod
    def of(cls, conf: Mapping[str, Any]) -> GriffinLim:
        """From what ESPnet's feature extractors call `get_parameters()`.

        Args:
            conf: `fs`, `n_fft`, `n_shift`; `win_length`, `window`, `n_mels`, `fmin`, `fmax`;
                `griffin_lim_iters` of a vocoder's config.

        Raises:
            InputError: the window is none of those known.
        """
        window = conf.get("window", "hann")
        if window not in _WINDOWS:
            raise InputError(
                f"window {window}: Griffin-Lim knows {', '.join(_WINDOWS)}: give a vocoder"
            )
        bands, high = conf.get("n_mels"), conf.get("fmax")
        return cls(
            sample_rate=int(conf["fs"]),
            hop=int(conf["n_shift"]),
            n_fft=int(conf["n_fft"]),
            win_length=int(conf.get("win_length") or conf["n_fft"]),
            window=window,
            n_mels=None if bands is None else int(bands),
            fmin=float(conf.get("fmin") or 0),
            fmax=None if high is None else float(high),
            iterations=int(conf.get("griffin_lim_iters", 8)),
        )

    def __call__(
        self, feats: Array, lengths: Array, conditions: Mapping[str, Array], noise: Noise
    ) -> Array:
        """(B, T, M) log10 mel and (B,) frames -> (B, T * hop) float32.

        ESPnet's wave is one frame shorter, as the last frame is centred on its end: there are
        zeros. `noise` decides the first phases.
        """
        waves = np.zeros((len(feats), feats.shape[1] * self.hop), np.float32)
        size = (len(feats), 2, self.n_fft // 2 + 1, feats.shape[1])
        start = phases(noise("phase", size))
        for wave, rows, angles, frames in zip(waves, feats, start, lengths, strict=True):
            magnitudes = self.magnitudes(rows[:frames])
            spoken = griffin_lim(
                magnitudes, angles[:, :frames].T, self.hop, self.shape, self.iterations
            )
            spoken = spoken[: frames * self.hop]
            wave[: len(spoken)] = spoken
        return waves

    def magnitudes(self, feats: Array) -> Array:
        """(T, M) -> (T, F); mirrors `espnet2.utils.griffin_lim.logmel2linear`."""
        if self.n_mels is None:
            return np.abs(feats)
        high = self.sample_rate / 2 if self.fmax is None else self.fmax
        inverse = _inverse(self.sample_rate, self.n_fft, self.n_mels, self.fmin, high)
        linear: Array = np.power(np.float32(10), feats) @ inverse.T
        return np.maximum(np.float32(_FLOOR), linear)

    @property
    def shape(self) -> Array:
        """(W',) the window in the middle of the transform."""
        before = (self.n_fft - self.win_length) // 2
        after = self.n_fft - self.win_length - before
        return np.pad(_window(self.window, self.win_length), (before, after))


def griffin_lim(
    magnitudes: Array, angles: Array, hop: int, window: Array, iterations: int
) -> Array:
    """Find a wave with these magnitudes; mirrors `librosa.griffinlim`.

    Args:
        magnitudes: (T, F).
        angles: (T, F) complex of magnitude 1, the first phases.
        hop: samples a frame.
        window: (W',).
        iterations: how often phases are made to fit.

    Returns:
        (hop * (T - 1),) float32; of a single frame (W',), which is not centred.
    """
    centred = len(magnitudes) > 1
    estimate = (angles * magnitudes).astype(np.complex64)
    before: Array | None = None
    for _ in range(iterations):
        rebuilt = _spectrum(_wave(estimate, hop, window, centred), hop, window, centred)
        estimate = rebuilt.copy()
        if before is not None:
            estimate -= np.float32(_MOMENTUM / (1 + _MOMENTUM)) * before
        estimate *= magnitudes / (np.abs(estimate) + np.finfo(np.float32).tiny)
        before = rebuilt
    return _wave(estimate, hop, window, centred)


def phases(normal: Array) -> Array:
    """(B, 2, ...) standard normal numbers -> (B, ...) complex numbers of magnitude 1."""
    angles: Array = np.exp(1j * np.arctan2(normal[:, 1], normal[:, 0]))
    return angles


def mel_basis(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> Array:
    """(M, F) float32 triangles of equal area, as `librosa.filters.mel` has them by default."""
    mels = np.linspace(_mel(fmin), _mel(fmax), n_mels + 2)
    edges = _hertz(mels)
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    ramps = (bins - edges[:, None]) / np.concatenate([np.diff(edges), [1]])[:, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    weights: Array = np.maximum(0, np.minimum(ramps[:-2], falling))
    return (weights * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


def _mel(hertz: float) -> float:
    """Slaney's scale: linear up to 1 kHz, then 27 mels for a factor of 6.4."""
    if hertz < 1000:
        return hertz * 3 / 200
    return float(15 + 27 * np.log(hertz / 1000) / np.log(6.4))


def _hertz(mels: Array) -> Array:
    high: Array = 1000 * np.exp((mels - 15) * np.log(6.4) / 27)
    return np.where(mels < 15, mels * 200 / 3, high)


@functools.lru_cache(maxsize=4)
def _inverse(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> Array:
    """(F, M)."""
    inverse: Array = np.linalg.pinv(mel_basis(sample_rate, n_fft, n_mels, fmin, fmax))
    return inverse


def _window(name: str, size: int) -> Array:
    """(W,) of a period."""
    turn = 2 * np.pi * np.arange(size) / size
    terms = [(-1) ** i * a * np.cos(i * turn) for i, a in enumerate(_WINDOWS[name])]
    window: Array = np.sum(terms, axis=0).astype(np.float32)
    return window


def _spectrum(wave: Array, hop: int, window: Array, centred: bool) -> Array:
    """(N,) -> (T, F)."""
    if centred:
        wave = np.pad(wave, len(window) // 2)
    return np.fft.rfft(sliding_window_view(wave, len(window))[::hop] * window)


def _wave(spectrum: Array, hop: int, window: Array, centred: bool) -> Array:
    """(T, F) -> (N,): the wave whose frames differ least from these."""
    frames = np.fft.irfft(spectrum, len(window)) * window
    wave = _overlap(frames, hop)
    weight = _overlap(np.broadcast_to(window**2, frames.shape), hop)
    heard = weight > np.finfo(np.float32).tiny
    wave[heard] /= weight[heard]
    side = len(window) // 2 if centred else 0
    return wave[side : len(wave) - side]


def _overlap(frames: Array, hop: int) -> Array:
    """(T, W') -> (hop * (T - 1) + W',), their sum at their places."""
    count, size = frames.shape
    blocks = -(-size // hop)
    padded = np.pad(frames, ((0, 0), (0, blocks * hop - size))).reshape(count, blocks, hop)
    out = np.zeros((count + blocks - 1, hop), np.float32)
    for i in range(blocks):
        out[i : i + count] += padded[:, i]
    return out.reshape(-1)[: hop * (count - 1) + size]
