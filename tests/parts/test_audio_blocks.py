"""Recordings in blocks: what comes out is what reading them at once gives, in little memory."""

from __future__ import annotations

import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_onnx.errors import AudioError
from espnet_onnx.parts.audio import read_audio
from espnet_onnx.parts.audio_blocks import BLOCK, open_recording, seconds_of

RATE = 8000


def noise(seconds: float, rate: int = RATE, channels: int = 1) -> np.ndarray:
    shape = (round(seconds * rate), channels)
    return np.random.default_rng(0).uniform(-0.9, 0.9, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("given", "rate", "channels"),
    [(8000, 8000, 1), (8000, 8000, 3), (8000, 16000, 1), (11025, 8000, 2), (44100, 16000, 1)],
)
def test_blocks_together_are_the_recording(
    tmp_path: Path, given: int, rate: int, channels: int
) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(2.2 * BLOCK, given, channels), given)
    whole, recording = read_audio(path, rate), open_recording(path, rate)
    assert recording.duration == pytest.approx(2.2 * BLOCK)
    assert (recording.notes, recording.name) == (whole.notes, whole.name)
    blocks = list(recording)
    assert len(blocks) >= 3
    assert max(map(len, blocks)) <= 1.1 * BLOCK * rate
    samples = np.concatenate(blocks)
    assert samples.dtype == np.float32
    assert len(samples) == len(whole.samples)
    np.testing.assert_allclose(samples, whole.samples, atol=1e-6)


def test_streams_and_arrays_are_read_as_files_are(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(25), RATE, subtype="PCM_16")
    whole = read_audio(path, RATE).samples
    with path.open("rb") as file:
        np.testing.assert_array_equal(np.concatenate(list(open_recording(file, RATE))), whole)
    memory = io.BytesIO(path.read_bytes())
    np.testing.assert_array_equal(np.concatenate(list(open_recording(memory, RATE))), whole)
    integers = (whole * 2**15).astype(np.int16)
    recording = open_recording(integers, RATE)
    assert recording.notes == ("scaled int16 samples by 1/32768",)
    np.testing.assert_array_equal(np.concatenate(list(recording)), whole)
    doubled = open_recording(whole, 2 * RATE, sample_rate=RATE)
    assert doubled.duration == 25
    assert len(np.concatenate(list(doubled))) == 2 * len(whole)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for _ in range(30):
            file.write(noise(10))
    tracemalloc.start()
    seconds = sum(len(block) for block in open_recording(path, RATE)) / RATE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds == 300
    assert peak < 0.2 * 4 * 300 * RATE


def test_what_is_no_audio_is_refused_as_when_read_at_once(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        open_recording(tmp_path / "none.wav", RATE)
    empty, late = tmp_path / "empty.wav", tmp_path / "late.wav"
    soundfile.write(empty, np.zeros((0, 1)), RATE)
    with pytest.raises(AudioError, match="holds zero samples"):
        list(open_recording(empty, RATE))
    bad = noise(25)
    bad[-5] = np.nan
    soundfile.write(late, bad, RATE, subtype="FLOAT")
    blocks = iter(open_recording(late, RATE))
    assert len(next(blocks)) == len(next(blocks)) == BLOCK * RATE
    with pytest.raises(AudioError, match=r"late.wav: 1 of .* NaN"):
        next(blocks)
    with pytest.raises(AudioError, match="-1 Hz is impossible"):
        open_recording(noise(1), RATE, sample_rate=-1)


def test_a_closed_recording_lets_go_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1), RATE)
    recording = open_recording(path, RATE)
    recording.close()
    with pytest.raises(RuntimeError):
        list(recording)


def test_lengths_are_known_without_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(3), RATE)
    assert seconds_of(path, 16000) == seconds_of(str(path), 16000) == 3
    assert seconds_of(noise(2)[:, 0], RATE) == seconds_of(noise(2, channels=2), RATE) == 2
    with path.open("rb") as file:
        assert seconds_of(file, RATE) == 3
        assert file.tell() == 0
    assert seconds_of(tmp_path / "none.wav", RATE) is None
    (tmp_path / "text.wav").write_text("hello")
    assert seconds_of(tmp_path / "text.wav", RATE) is None
    assert seconds_of(("a.wav", "b.wav"), RATE) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_emptied_to_know_its_length(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert seconds_of(tmp_path / "pipe", RATE) is None
