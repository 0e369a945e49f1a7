"""How long tokens last: rounding, scaling, spreading."""

from __future__ import annotations

import numpy as np

from espnet_onnx_plugin_fastspeech2.durations import ended, frames_of, given_frames, rounded, spread


def test_the_end_stands_behind_every_utterance() -> None:
    tokens, lengths = ended(np.array([[3, 4, 5], [6, 9, 9]]), np.array([3, 1]), 7)
    assert tokens[0].tolist() == [3, 4, 5, 7] and tokens[1, :2].tolist() == [6, 7]
    assert lengths.tolist() == [4, 2]


def test_halves_round_to_even_and_nothing_is_negative() -> None:
    assert rounded(np.array([[-0.9, 0.5, 1.5, 2.5, 2.51]])).tolist() == [[0, 0, 2, 2, 3]]


def test_scaled_durations_are_rounded_again() -> None:
    frames = frames_of(np.array([[1, 3, 5, 0]]), np.array([4]), 0.5)
    assert frames.tolist() == [[0, 2, 2, 0]]


def test_only_an_utterance_without_frames_gets_one_for_each_token() -> None:
    durations = np.array([[0, 0, 9], [0, 2, 0], [1, 0, 0]])
    frames = frames_of(durations, np.array([2, 3, 3]), 1.0)
    assert frames.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]


def test_given_features_become_frames_that_stay_in_time() -> None:
    given = np.array([[4, 0, 2, 6], [1, 1, 1, 1]])
    assert given_frames(given, 1).tolist() == given.tolist()
    assert given_frames(given, 2).tolist() == [[2, 0, 1, 3], [1, 0, 1, 0]]


def test_each_frame_knows_its_token() -> None:
    index, lengths = spread(np.array([[2, 0, 1], [0, 1, 0]]))
    assert lengths.tolist() == [3, 1]
    assert index.tolist() == [[0, 0, 2], [1, 0, 0]]
