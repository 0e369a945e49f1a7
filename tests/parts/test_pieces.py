"""Fixed windows over a recording that arrives in blocks of any size."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from espnet_onnx.parts.pieces import Cutter, Piece, Tape, Windows


def pushed(cutter: Cutter, samples: np.ndarray, block: int) -> list[Piece]:
    """All pieces of (S,) samples."""
    pieces = [
        piece
        for i in range(0, len(samples), block)
        for piece in cutter.push(samples[i : i + block])
    ]
    return [*pieces, *cutter.finish()]


@pytest.mark.parametrize("samples", [1, 9, 10, 11, 17, 18, 100])
@pytest.mark.parametrize("overlap", [0, 3, 5])
def test_windows_cover_all_and_overlap(samples: int, overlap: int) -> None:
    recording = np.arange(samples, dtype=np.float32)
    made = [pushed(Windows(10, overlap), recording, block) for block in (1, 4, 1000)]
    assert made[0] == made[1] == made[2]
    pieces = made[0]
    for piece in pieces:
        np.testing.assert_array_equal(piece.samples, recording[piece.start : piece.end])
        assert len(piece.samples) == min(10, samples)
    assert (pieces[0].start, pieces[-1].end) == (0, samples)
    shared = [a.end - b.start for a, b in itertools.pairwise(pieces)]
    assert all(n == overlap for n in shared[:-1])
    assert all(n >= overlap for n in shared)
    assert all(a.start < b.start for a, b in itertools.pairwise(pieces))


def test_without_a_length_there_is_one_window() -> None:
    recording = np.arange(25, dtype=np.float32)
    assert pushed(Windows(None), recording, 4) == [Piece(0, recording)]
    assert pushed(Windows(None), recording[:0], 4) == []


def test_a_tape_forgets_what_is_not_needed() -> None:
    tape = Tape()
    for i in range(10):
        tape.append(np.full(5, i, np.float32))
        tape.forget(tape.end - 7)
        assert tape.end - tape.start == min(tape.end, 7)
    assert tape.piece(44, 47) == Piece(44, np.array([8, 9, 9], np.float32))
    tape.forget(3)
    assert tape.start == 43
