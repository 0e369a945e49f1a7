"""Griffin-Lim against ESPnet's, from the same first phases."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

from espnet_onnx.errors import InputError
from espnet_onnx.parts.griffin_lim import GriffinLim, griffin_lim, mel_basis, phases
from espnet_onnx.parts.noise import Gaussian
from espnet_onnx.types import Array

CONF: dict[str, Any] = {"fs": 16000, "n_fft": 256, "n_shift": 64, "n_mels": 20, "fmin": 80}
# ESPnet's own type checks refuse the default of fmax.
CONF["fmax"] = 7600


def spoken(frames: int, conf: dict[str, Any]) -> tuple[GriffinLim, Array]:
    """A vocoder, and log mels of a voice-like wave."""
    vocoder = GriffinLim.of(conf)
    time = np.arange(frames * vocoder.hop + vocoder.n_fft) / vocoder.sample_rate
    wave = np.sin(2 * np.pi * (150 + 40 * np.sin(9 * time)) * time)
    wave = wave + 0.01 * np.random.default_rng(0).normal(size=len(wave))
    rows = np.stack([wave[i * vocoder.hop :][: vocoder.n_fft] for i in range(frames)])
    spectrum = np.abs(np.fft.rfft(rows * vocoder.shape)).astype(np.float32)
    if vocoder.n_mels is None:
        return vocoder, spectrum
    high = vocoder.fmax or vocoder.sample_rate / 2
    mel = mel_basis(vocoder.sample_rate, vocoder.n_fft, vocoder.n_mels, vocoder.fmin, high)
    return vocoder, np.log10(np.maximum(1e-10, spectrum @ mel.T)).astype(np.float32)


@pytest.mark.export
@pytest.mark.parametrize("frames", [1, 2, 37])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"win_length": 200, "fmax": 7000},
        {"n_shift": 75, "n_fft": 250, "window": "hamming", "griffin_lim_iters": 3},
        {"n_mels": None},
    ],
)
def test_waves_are_espnets(frames: int, changes: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("espnet2.utils.griffin_lim")
    conf = {**CONF, **changes}
    vocoder, feats = spoken(frames, conf)
    mirrored = theirs.Spectrogram2Waveform(**conf)
    mirrored(torch.from_numpy(feats))  # what librosa imports on its first call draws, too
    uniform = np.random.default_rng(3).random((vocoder.n_fft // 2 + 1, frames))
    with mock.patch.object(np.random, "default_rng", return_value=np.random.default_rng(3)):
        want = mirrored(torch.from_numpy(feats)).numpy()
    found = griffin_lim(
        vocoder.magnitudes(feats),
        np.exp(2j * np.pi * uniform.T),
        vocoder.hop,
        vocoder.shape,
        vocoder.iterations,
    )
    assert found.shape == want.shape and np.abs(want).max() > 0.05
    assert np.abs(found - want).max() < 2e-3 * np.abs(want).max()


@pytest.mark.export
@pytest.mark.parametrize(("rate", "high"), [(22050, 7600.0), (8000, 4000.0), (24000, 12000.0)])
def test_mel_bands_are_librosas(rate: int, high: float) -> None:
    librosa = pytest.importorskip("librosa")
    want = librosa.filters.mel(sr=rate, n_fft=1024, n_mels=80, fmin=20, fmax=high)
    np.testing.assert_allclose(mel_basis(rate, 1024, 80, 20, high), want, atol=1e-7)


def test_a_batch_is_its_utterances_and_sounds_like_its_features() -> None:
    vocoder, feats = spoken(40, {**CONF, "fmax": None, "griffin_lim_iters": 30})
    rows = np.stack([feats, feats[::-1]])
    waves = vocoder(rows, np.array([40, 23]), {}, Gaussian(1))
    alone = vocoder(rows[1:, :23], np.array([23]), {}, Gaussian(1))
    assert waves.shape == (2, 40 * 64) and waves.dtype == np.float32
    np.testing.assert_allclose(waves[1, : 23 * 64], alone[0], atol=1e-5)
    assert not waves[1, 22 * 64 :].any() and not waves[0, 39 * 64 :].any()
    window = vocoder.shape
    heard = np.abs(np.fft.rfft([waves[0, i * 64 :][:256] * window for i in range(30)]))
    wanted = vocoder.magnitudes(feats)[2:32]
    assert np.linalg.norm(heard - wanted) < 0.2 * np.linalg.norm(wanted)


def test_phases_are_uniform() -> None:
    drawn = phases(Gaussian(0)("phase", (1, 2, 200, 100)))
    assert drawn.shape == (1, 200, 100)
    np.testing.assert_allclose(np.abs(drawn), 1, rtol=1e-6)
    share, _ = np.histogram(np.angle(drawn), 8, (-np.pi, np.pi))
    assert share.min() > 0.95 * drawn.size / 8


def test_an_unknown_window_is_refused() -> None:
    with pytest.raises(InputError, match="window kaiser: Griffin-Lim knows hann"):
        GriffinLim.of({**CONF, "window": "kaiser"})
