"""Recordings in, mono float32 out; and what is refused, with one clear line each."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_onnx.errors import AudioError
from espnet_onnx.parts.audio import Audio, read_audio

RATE = 16000


def speech(samples: int = 1601, channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = rng.uniform(-0.9, 0.9, (samples, channels)).astype(np.float32)
    return noise[:, 0] if channels == 1 else noise


def tone(seconds: float, rate: int) -> np.ndarray:
    return np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate).astype(np.float32)


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "FLOAT"), ("wav", "PCM_U8"), ("flac", "PCM_16")],
)
def test_a_file_that_needs_no_change_equals_soundfile(
    tmp_path: Path, suffix: str, subtype: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, speech(), RATE, subtype=subtype)
    audio = read_audio(path, RATE)
    expected, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(audio.samples, expected)
    assert audio.samples.dtype == np.float32
    assert (audio.sample_rate, audio.notes, audio.name) == (RATE, (), str(path))
    assert audio.duration == pytest.approx(1601 / RATE)


def test_path_string_and_streams_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, speech(), RATE)
    expected = read_audio(path, RATE).samples
    np.testing.assert_array_equal(read_audio(str(path), RATE).samples, expected)
    with path.open("rb") as file:
        audio = read_audio(file, RATE)
    np.testing.assert_array_equal(audio.samples, expected)
    assert audio.name == str(path)
    memory = read_audio(io.BytesIO(path.read_bytes()), RATE)
    np.testing.assert_array_equal(memory.samples, expected)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path, pipe = tmp_path / "a.wav", tmp_path / "pipe"
    soundfile.write(path, speech(), RATE)
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    writer.start()
    audio = read_audio(pipe, RATE)
    writer.join()
    np.testing.assert_array_equal(audio.samples, read_audio(path, RATE).samples)


def test_resampling_keeps_the_tone_and_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(0.5, 8000), 8000, subtype="FLOAT")
    audio = read_audio(path, RATE)
    assert audio.notes == ("resampled from 8000 Hz to 16000 Hz",)
    assert len(audio.samples) == 8000
    inner = slice(400, -400)  # away from the filter's ends
    np.testing.assert_allclose(audio.samples[inner], tone(0.5, RATE)[inner], atol=2e-3)
    array = read_audio(tone(0.5, 8000), RATE, sample_rate=8000)
    np.testing.assert_array_equal(array.samples, audio.samples)


def test_resampling_leaves_nothing_of_what_the_new_rate_cannot_hold() -> None:
    high = np.sin(2 * np.pi * 10000 * np.arange(24000) / 48000)
    audio = read_audio(high, RATE, sample_rate=48000)
    assert np.abs(audio.samples[400:-400]).max() < 1e-4


def test_stereo_is_mixed_and_noted(tmp_path: Path) -> None:
    both = speech(channels=2)
    path = tmp_path / "a.wav"
    soundfile.write(path, both, RATE, subtype="FLOAT")
    for audio in (read_audio(path, RATE), read_audio(both, RATE)):
        np.testing.assert_allclose(audio.samples, (both[:, 0] + both[:, 1]) / 2, atol=1e-7)
        assert audio.notes == ("mixed 2 channels to mono",)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8", ">i2"])
def test_integer_samples_equal_what_soundfile_makes_of_them(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(1)
    info = np.iinfo(dtype)
    whole = rng.integers(info.min, info.max, 500, endpoint=True).astype(dtype)
    audio = read_audio(whole, RATE)
    subtype = {"int32": "PCM_32", "uint8": "PCM_U8"}.get(dtype, "PCM_16")
    centred = (
        (whole.astype(np.int16) - 128) << 8 if dtype == "uint8" else whole.astype(dtype.strip(">"))
    )
    if dtype == ">i2":
        centred = whole.astype(np.int16)
    soundfile.write(tmp_path / "a.wav", centred, RATE, subtype=subtype)
    expected, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    np.testing.assert_array_equal(audio.samples, expected)
    assert len(audio.notes) == 1
    assert "scaled" in audio.notes[0]


def test_arrays_of_one_channel_lose_the_axis() -> None:
    mono = speech()
    for array in (mono, mono[:, None], mono[None], mono.astype(np.float64)):
        audio = read_audio(array, RATE)
        np.testing.assert_array_equal(audio.samples, mono)
        assert audio.notes == ()
        assert audio.samples.dtype == np.float32


def test_the_array_given_is_left_alone() -> None:
    array = speech()
    before = array.copy()
    read_audio(array, RATE, sample_rate=8000)
    np.testing.assert_array_equal(array, before)


def test_floats_are_not_copied() -> None:
    array = speech()
    assert np.shares_memory(read_audio(array, RATE).samples, array)


def test_audio_compares_by_value() -> None:
    assert read_audio(speech(), RATE) == read_audio(speech(), RATE)
    assert read_audio(speech(), RATE) != Audio(speech() * 2, RATE, (), "audio array")


def nan() -> np.ndarray:
    array = speech()
    array[7] = np.nan
    return array


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros(0, np.float32), "zero samples"),
        (np.zeros((0, 2), np.float32), "zero samples"),
        (nan(), "1 of 1601 samples are NaN"),
        (np.full(9, -np.inf), "9 of 9 samples are NaN or infinite"),
        (np.full(9, 1e300), "NaN or infinite"),
        (speech() * 32768, "divide 16-bit samples by 32768"),
        (speech(channels=2).T, "transpose"),
        (np.zeros((8, 8), np.float32), "transpose"),
        (np.zeros((4, 3, 2), np.float32), r"shape \(4, 3, 2\)"),
        (np.float32(0.5), r"shape \(\)"),
        (speech().astype(complex), "complex"),
        (speech().astype(object), "object"),
        (np.zeros(9, bool), "bool"),
        (np.zeros(9, np.int64), "int64"),
        (np.array(["a", "b"]), "no sample format"),
    ],
)
def test_unusable_arrays_are_refused(array: np.ndarray, says: str) -> None:
    with pytest.raises(AudioError, match=says) as caught:
        read_audio(array, RATE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rate", [0, -8000, float("nan")])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(AudioError, match="impossible"):
        read_audio(speech(), RATE, sample_rate=rate)  # type: ignore[arg-type]


def test_too_little_to_resample_is_refused() -> None:
    with pytest.raises(AudioError, match="too few to resample"):
        read_audio(speech(1), 8000, sample_rate=48000)


def unusable_files(folder: Path) -> list[tuple[Path, str]]:
    soundfile.write(folder / "no-samples.wav", np.zeros(0), RATE)
    soundfile.write(folder / "nan.wav", nan(), RATE, subtype="FLOAT")
    soundfile.write(folder / "loud.wav", speech() * 32768, RATE, subtype="FLOAT")
    soundfile.write(folder / "cut.flac", speech(16000), RATE)
    intact = (folder / "cut.flac").read_bytes()
    (folder / "cut.flac").write_bytes(intact[: len(intact) // 2])
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("this is no audio")
    (folder / "headerless.raw").write_bytes(b"\1\2" * 100)
    return [
        (folder / "missing.wav", "no such file"),
        (folder, "is a folder"),
        (folder / "empty.wav", "the file is empty"),
        (folder / "text.wav", "cannot be read as audio"),
        (folder / "headerless.raw", "cannot be read as audio"),
        (folder / "cut.flac", "cannot be read as audio"),
        (folder / "no-samples.wav", "zero samples"),
        (folder / "nan.wav", "NaN"),
        (folder / "loud.wav", "32768"),
    ]


def test_unusable_files_are_refused_by_name(tmp_path: Path) -> None:
    for path, says in unusable_files(tmp_path):
        with pytest.raises(AudioError, match=says) as caught:
            read_audio(path, RATE)
        message = str(caught.value)
        assert message.startswith(f"{path}: "), message
        assert "\n" not in message
        assert ";" in message, "no remedy"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (io.BytesIO(), "stream is empty"),
        (io.BytesIO(b"no audio"), "cannot be read as audio"),
        (io.StringIO("no audio"), "binary mode"),
        ([0.1, 0.2], "list is no audio"),
        (None, "NoneType is no audio"),
    ],
)
def test_unusable_sources_are_refused(source: object, says: str) -> None:
    with pytest.raises(AudioError, match=says):
        read_audio(source, RATE)
