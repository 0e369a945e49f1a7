"""Where streams are cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from espnet_onnx.parts.endpoints import Endpoints
from espnet_onnx.parts.streaming_settings import Streaming
from espnet_onnx.types import Array

RATE = 1000


def recording(*stretches: tuple[str, float]) -> Array:
    """Stretches of `speech` (noise as loud as syllables are) and `pause`, with their seconds."""
    rng = np.random.default_rng(0)
    parts = []
    for what, seconds in stretches:
        samples = rng.normal(0, 1e-3, round(seconds * RATE))
        if what == "speech":
            samples *= np.where(np.arange(len(samples)) % 200 < 140, 300, 20)
        parts.append(samples)
    return np.concatenate(parts).astype(np.float32)


def cuts(audio: Array, sizes: Sequence[int], **settings: float) -> list[int]:
    """Samples at which utterances end."""
    endpoints, ends, begin, place = Endpoints(RATE, Streaming(**settings)), [], 0, 0
    parts = []
    while begin < len(audio):
        size = sizes[len(ends) % len(sizes)]
        for part, end in endpoints.split(audio[begin : begin + size]):
            parts.append(part)
            place += len(part)
            ends += [place] if end else []
        begin += size
    assert np.array_equal(np.concatenate(parts), audio)
    return ends


def test_the_first_pause_after_the_wanted_length() -> None:
    audio = recording(("speech", 2), ("pause", 1), ("speech", 2), ("pause", 1), ("speech", 2))
    (end,) = cuts(audio, [400], segment=3.5, longest_segment=9.0, pause=0.3)
    assert end == pytest.approx(5300, abs=40)


def test_without_a_pause_the_longest_length() -> None:
    audio = recording(("speech", 9))
    assert cuts(audio, [400], segment=2.0, longest_segment=3.0) == [3000, 6000, 9000]


def test_a_pause_that_is_too_short_is_none() -> None:
    audio = recording(("speech", 2), ("pause", 0.2), ("speech", 2))
    assert cuts(audio, [400], segment=1.0, longest_segment=9.0, pause=0.3) == []


def test_chunks_make_no_difference() -> None:
    audio = recording(*[("speech", 1.3), ("pause", 0.5)] * 6)
    whole = cuts(audio, [len(audio)], segment=2.0, longest_segment=4.0)
    assert len(whole) >= 3
    for sizes in ([1], [333], [20], [19, 21], [4000]):
        assert cuts(audio, sizes, segment=2.0, longest_segment=4.0) == whole
