"""Cutting in pauses: by a detector that is told what is speech, and by loudness.

Shapes: S samples, N frames, F samples a frame.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from espnet_onnx.parts.pieces import Piece
from espnet_onnx.parts.voice_activity import Energy, Pauses, Rules, decibels

from .test_pieces import pushed

RATE = 8000
BLOCK = 10 * RATE
EXACT = Rules(longest=5, overlap=1, speech=0.1, silence=0.4, pad=0.2)


class Told:
    """A detector that takes a frame's first sample for its activity."""

    frame = 160

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return frames[:, 0]


def told(*stretches: tuple[float, float]) -> np.ndarray:
    """Stretches of so many seconds and so much activity, a little louder where there is more."""
    return np.concatenate(
        [np.full(round(seconds * RATE), value, np.float32) for seconds, value in stretches]
    )


def seconds(pieces: list[Piece]) -> list[tuple[float, float]]:
    return [(piece.start / RATE, piece.end / RATE) for piece in pieces]


def cut(samples: np.ndarray, rules: Rules = EXACT, block: int = BLOCK) -> list[tuple[float, float]]:
    pieces = pushed(Pauses(Told(), RATE, rules), samples, block)
    for piece in pieces:
        np.testing.assert_array_equal(piece.samples, samples[piece.start : piece.end])
    return seconds(pieces)


def test_speech_is_padded_and_pauses_end_it() -> None:
    samples = told((1, 0), (1, 1), (1, 0), (0.5, 1), (2, 0))
    assert cut(samples) == [(0.8, 2.2), (2.8, 3.7)]


def test_the_size_of_blocks_changes_nothing() -> None:
    samples = told((0.3, 0), (1, 1), (0.7, 0), (12, 1), (1, 0.4), (0.33, 1), (0.5, 0.2), (0.107, 1))
    assert len(cut(samples)) > 4
    assert all(cut(samples, block=block) == cut(samples) for block in (100, 1601, RATE))


def test_speech_reaches_to_both_ends_of_the_recording() -> None:
    assert cut(told((1, 1))) == [(0, 1)]
    assert cut(told((0.1, 0), (1, 1), (0.1, 0))) == [(0, 1.2)]


def test_a_short_pause_ends_nothing_and_a_click_is_no_speech() -> None:
    assert cut(told((1, 1), (0.38, 0), (1, 1), (1, 0))) == [(0, 2.58)]
    assert cut(told((1, 0), (0.1, 1), (1, 0))) == []


def test_speech_goes_on_between_the_thresholds_but_does_not_begin() -> None:
    assert cut(told((1, 0.4), (1, 0.5), (1, 0.36), (1, 0.34))) == [(0.8, 3.2)]
    assert cut(told((2, 0.4), (1, 0))) == []


def test_what_is_too_long_is_cut_in_a_pause_of_its_later_half() -> None:
    samples = told((1.5, 1), (0.2, 0), (2, 1), (0.2, 0), (2, 1), (1, 0))
    (first, middle), (again, last) = cut(samples)
    assert (first, last) == (0, pytest.approx(6.1))
    assert middle == again
    assert 3.7 < middle < 3.9


def test_without_a_pause_pieces_overlap_where_it_is_quietest() -> None:
    samples = told((13.2, 1), (1, 0))
    loudness = told((4, 0.3), (0.2, 0.1), (9, 0.3), (1, 0))
    sound = np.random.default_rng(0).normal(0, loudness).astype(np.float32)
    samples = np.where(np.arange(len(samples)) % Told.frame, sound, samples)
    pieces = cut(samples)
    assert all(end - start <= EXACT.longest for start, end in pieces)
    shared = [a[1] - b[0] for a, b in itertools.pairwise(pieces)]
    assert len(shared) >= 2
    assert all(s == pytest.approx(EXACT.overlap, abs=0.05) for s in shared)
    assert (pieces[0][0], pieces[-1][1]) == (0, pytest.approx(13.4))
    assert (pieces[0][1] + pieces[1][0]) / 2 == pytest.approx(4.1, abs=0.1)


def test_only_what_may_be_needed_is_kept() -> None:
    cutter = Pauses(Told(), RATE, EXACT)
    kept = []
    for _ in range(20):
        list(cutter.push(told((7, 1), (3, 0))))
        kept.append(len(cutter._tape._samples))
    assert max(kept) <= (EXACT.longest + 1) * RATE


def bursts(
    *times: tuple[float, float], length: float, noise: float, rate: int = RATE
) -> np.ndarray:
    """Noise with tones in it that swell and fade as syllables do."""
    rng = np.random.default_rng(1)
    samples = rng.normal(0, noise, round(length * rate))
    for start, end in times:
        t = np.arange(round(start * rate), round(end * rate))
        swell = np.abs(np.sin(np.pi * 4 * (t / rate - start)))
        samples[t] += 0.2 * swell * np.sin(2 * np.pi * 300 * t / rate)
    return samples.astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-3, 1e-2])
def test_loudness_finds_speech_in_noise(noise: float) -> None:
    times = [(3.0, 4.5), (6.0, 6.5), (11.25, 14.0), (28.0, 33.5)]
    samples = bursts(*times, length=45, noise=noise)
    found = seconds(pushed(Pauses(Energy(RATE), RATE), samples, BLOCK))
    assert len(found) == len(times)
    for (start, end), (begin, stop) in zip(found, times, strict=True):
        assert begin - 0.3 < start < begin
        assert stop < end < stop + 0.3


def test_noise_silence_and_hum_are_no_speech() -> None:
    rng = np.random.default_rng(0)
    hum = 0.1 * np.sin(2 * np.pi * 50 * np.arange(40 * RATE) / RATE)
    for silent in (np.zeros(40 * RATE), rng.normal(0, 0.01, 40 * RATE), hum, hum + 0.3):
        samples = silent.astype(np.float32)
        assert pushed(Pauses(Energy(RATE), RATE), samples, BLOCK) == []


def test_the_noise_may_change() -> None:
    times = [(5.0, 7.0), (75.0, 77.0)]
    samples = bursts(*times, length=100, noise=1e-3)
    samples[30 * RATE :] += np.random.default_rng(2).normal(0, 0.01, 70 * RATE).astype(np.float32)
    found = seconds(pushed(Pauses(Energy(RATE), RATE), samples, BLOCK))
    for start, end in times:
        assert any(a < start and end < b for a, b in found)
    assert not any(a > 78 for a, _ in found)


def test_decibels_of_a_full_scale_sine() -> None:
    sine = np.sin(2 * np.pi * 100 * np.arange(160) / RATE)[None]
    assert decibels(sine + 0.5)[0] == pytest.approx(-3.01, abs=0.01)
    assert decibels(np.zeros((1, 160)))[0] == -100
