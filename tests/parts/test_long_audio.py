"""Long recordings from file to text, by a recogniser that hears tones: one pitch a word.

A tone that a piece cuts is heard as the word "CUT", so a seam that takes it shows.
"""

from __future__ import annotations

import tracemalloc
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from espnet_onnx.errors import AudioError, InputError
from espnet_onnx.parts import cutting, long_audio
from espnet_onnx.parts.captions import srt
from espnet_onnx.parts.long_audio import Cutting
from espnet_onnx.parts.pieces import Piece, Windows
from espnet_onnx.parts.result import Recognition, time_tokens, time_words
from espnet_onnx.parts.tokenizer import build_tokenizer

RATE = 8000
TONE = 0.25  # seconds a word
WORDS = ["A", "B", "C", "D", "CUT"]
PITCHES = [400, 800, 1200, 1600]
TOKENIZER = build_tokenizer({"token_type": "word", "token_list": ["<blank>", "<unk>", *WORDS]}, {})


class Ears:
    """Recognises tones; notes what it was given."""

    tokenizer = TOKENIZER
    sample_rate: int | None = RATE

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.batches: list[int] = []

    def batch(self, audios: Sequence[Any], **options: Any) -> list[Recognition]:
        self.batches.append(len(audios))
        return [self._hear(audio) for audio in audios]

    def _hear(self, audio: Any) -> Recognition:
        if not isinstance(audio, np.ndarray):
            return Recognition("whole", notes=("as ever",))
        self.lengths.append(len(audio))
        loud = np.convolve(np.abs(audio), np.ones(80) / 80, "same") > 0.05
        edges = np.flatnonzero(np.diff(np.concatenate([[0], loud, [0]])))
        tokens, times = [], []
        for start, end in edges.reshape(-1, 2):
            tokens.append(_word(audio[start:end]))
            times.append((start / RATE, end / RATE))
        timed = time_tokens(tokens, times, [0.9] * len(tokens))
        words = time_words(timed, [[i] for i in range(len(tokens))], " ".join)
        ids = tuple(TOKENIZER.tokens2ids(tokens))
        return Recognition(" ".join(tokens), tuple(tokens), ids, -1.0, {}, timed, words)


def _word(tone: np.ndarray) -> str:
    if len(tone) < 0.9 * TONE * RATE:
        return "CUT"
    pitch = np.argmax(np.abs(np.fft.rfft(tone, RATE)))
    return WORDS[int(np.argmin(np.abs(np.array(PITCHES) - pitch)))]


def recording(
    path: Path, seconds: float, pauses: tuple[float, float] = (0.1, 0.3), long_pause: float = 0.0
) -> list[tuple[str, float]]:
    """Write tones with pauses, a long one after every fifth; returns words and their times."""
    rng = np.random.default_rng(0)
    said, at = [], 0.5
    samples = rng.normal(0, 1e-3, round(seconds * RATE)).astype(np.float32)
    while at + TONE + 0.5 < seconds:
        word = int(rng.integers(4))
        t = np.arange(round(TONE * RATE))
        tone = 0.3 * np.sin(2 * np.pi * PITCHES[word] * t / RATE)
        samples[round(at * RATE) : round(at * RATE) + len(t)] += tone.astype(np.float32)
        said.append((WORDS[word], at))
        at += TONE + rng.uniform(*pauses) + (long_pause if len(said) % 5 == 0 else 0)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return said


def text(said: list[tuple[str, float]]) -> str:
    return " ".join(word for word, _ in said)


WAYS = [
    {"long": "vad"},
    {"long": "vad", "window": 5.0, "overlap": 2.0},
    {"long": "windows"},
    {"long": "windows", "window": 7.3, "overlap": 2.1},
    {"long": "auto"},
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("long_pause", [0.0, 1.0])
def test_every_word_is_there_once_at_its_time(
    tmp_path: Path, way: dict[str, Any], long_pause: float
) -> None:
    said = recording(tmp_path / "a.wav", 63.7, long_pause=long_pause)
    ears = Ears()
    result = long_audio.transcribe(ears, tmp_path / "a.wav", Cutting(**way), batch_size=3)
    assert result.text == text(said)
    assert [w.text for w in result.words] == list(result.tokens) == result.text.split()
    for word, (_, at) in zip(result.words, said, strict=True):
        assert word.start == pytest.approx(at, abs=0.02)
    assert " ".join(s.text or "" for s in result.segments) == result.text
    assert result.duration == pytest.approx(63.7)
    assert len(ears.lengths) > 2
    assert max(ears.lengths) <= Cutting(**way).window * RATE
    assert set(ears.batches[:-1]) <= {3}
    assert result.as_dict()["segments"][0]["words"][0]["text"] == said[0][0]
    assert srt(result).count("-->") > 5


def test_what_is_not_long_is_recognised_as_ever(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav", 29.9)
    plain = Recognition("whole", notes=("as ever",))
    assert long_audio.transcribe(Ears(), tmp_path / "a.wav") == plain
    recording(tmp_path / "a.wav", 60)
    assert long_audio.transcribe(Ears(), tmp_path / "a.wav", Cutting(long="off")) == plain


def test_segments_of_what_is_not_long_are_one(tmp_path: Path) -> None:
    said = recording(tmp_path / "a.wav", 20)
    (segment,) = long_audio.segments(Ears(), str(tmp_path / "a.wav"))
    assert (segment.text, segment.start, segment.end) == (text(said), 0, 20)


def test_segments_come_before_the_recording_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    said = recording(path, 60, long_pause=1.0)
    samples, _ = soundfile.read(path, dtype="float32")
    samples[-5:] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    found = long_audio.segments(Ears(), path, Cutting(long="vad"), batch_size=1)
    early = [next(found).text for _ in range(4)]
    assert " ".join(t or "" for t in early).split() == text(said).split()[:20]
    with pytest.raises(AudioError, match="NaN"):
        list(found)


def test_closed_segments_end(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav", 60, long_pause=1.0)
    found = long_audio.segments(Ears(), tmp_path / "a.wav")
    next(found)
    found.close()
    assert list(found) == []


def test_arrays_have_a_rate_of_their_own(tmp_path: Path) -> None:
    said = recording(tmp_path / "a.wav", 40)
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    doubled = np.repeat(samples, 2)
    result = long_audio.transcribe(Ears(), doubled, sample_rate=2 * RATE)
    assert result.text == text(said)
    assert result.notes == ("resampled from 16000 Hz to 8000 Hz",)


@pytest.mark.parametrize("long", ["vad", "auto"])
def test_no_speech_is_no_error(tmp_path: Path, long: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.003, 40 * RATE)
    soundfile.write(tmp_path / "a.wav", noise, RATE, subtype="FLOAT")
    result = long_audio.transcribe(Ears(), tmp_path / "a.wav", Cutting(long=long))
    assert (result.text, result.tokens, result.segments) == ("", (), ())
    assert result.notes == ("no speech was found",)
    assert srt(result) == ""


@pytest.mark.parametrize("long", ["vad", "windows"])
def test_memory_does_not_grow_with_the_recording(tmp_path: Path, long: str) -> None:
    peaks = []
    for minutes in (1, 5):
        recording(tmp_path / "a.wav", 60 * minutes, pauses=(1.0, 3.0))
        found = long_audio.segments(Ears(), tmp_path / "a.wav", Cutting(long=long), batch_size=2)
        tracemalloc.start()
        assert sum(1 for _ in found) > 3 * minutes
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 4 * 5 * 60 * RATE


def test_pieces_are_never_too_short_for_a_model(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 1e-4, 2 * RATE)
    samples[-RATE // 5 :] += 0.3
    samples[-RATE // 5 :: 2] -= 0.6
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    ears = Ears()
    long_audio.transcribe(ears, tmp_path / "a.wav", Cutting(long="vad"))
    assert ears.lengths == [RATE // 2]


BAD = [
    ({"long": "always"}, "long='always' cannot be used: give one of auto, vad, windows, off"),
    ({"window": 0.0}, "window=0 cannot be used: give 1 second or more"),
    ({"window": float("nan")}, "window=nan cannot be used"),
    ({"overlap": -1.0}, "overlap=-1 cannot be used: give 0 to 10 seconds"),
    ({"window": 4.0, "overlap": 3.0}, "overlap=3 cannot be used: give 0 to 2 seconds"),
]


@pytest.mark.parametrize(("options", "why"), BAD)
def test_what_cannot_be_used_is_said(options: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        Cutting(**options)


def test_what_does_not_fit_the_model_is_said(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav", 3)
    with pytest.raises(InputError, match="batch_size is 0"):
        long_audio.segments(Ears(), tmp_path / "a.wav", batch_size=0)
    with pytest.raises(InputError, match=r"none.onnx: no such file; vad takes energy, silero"):
        cutting = Cutting(long="vad", vad=tmp_path / "none.onnx")
        long_audio.segments(Ears(), tmp_path / "a.wav", cutting)
    features = Ears()
    features.sample_rate = None
    with pytest.raises(InputError, match="takes features, which cannot be cut: use long=off"):
        long_audio.transcribe(features, np.zeros((5, 80)), Cutting(long="vad"))
    assert long_audio.transcribe(features, tmp_path / "a.wav").text == "whole"


def test_whom_pieces_do_not_suit_gets_the_whole(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav", 40)
    ears = Ears()
    ears.whole_only = "speakers change places"  # type: ignore[attr-defined]
    assert long_audio.transcribe(ears, tmp_path / "a.wav").text == "whole"
    with pytest.raises(InputError, match="speakers change places: use long=off"):
        long_audio.transcribe(ears, tmp_path / "a.wav", Cutting(long="windows"))


def test_options_are_told_apart() -> None:
    cutting, rest = long_audio.split_options({"long": "windows", "window": 9.0, "beam_size": 3})
    assert cutting == Cutting(long="windows", window=9.0)
    assert rest == {"beam_size": 3}


def test_no_more_than_a_batch_of_pieces_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Any]] = []
    kept = []

    class Watched(Windows):
        def push(self, block: np.ndarray) -> Iterator[Piece]:
            for piece in super().push(block):
                made.append(weakref.ref(piece))
                yield piece
                kept.append(sum(ref() is not None for ref in made))

    monkeypatch.setattr(cutting, "Windows", Watched)
    recording(tmp_path / "a.wav", 61.0)
    given = Cutting(long="windows", window=5.0, overlap=1.0)
    long_audio.transcribe(Ears(), tmp_path / "a.wav", given, batch_size=5)
    # The last piece that was recognised may be kept until the next one is.
    assert len(kept) > 10
    assert max(kept) <= 5 + 1
