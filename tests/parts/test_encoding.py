from __future__ import annotations

import numpy as np
import pytest

from espnet_onnx.parts.encoding import joined, portions
from espnet_onnx.roles import Encoded


@pytest.mark.parametrize(
    ("lengths", "most", "sizes"),
    [
        ([4, 4, 4, 4], 8, [2, 2]),
        ([9, 1, 1], 8, [1, 2]),
        ([1, 1, 9], 8, [2, 1]),
        ([5, 3], 8, [1, 1]),
        ([3], 1, [1]),
        ([2, 2, 2], 100, [3]),
    ],
)
def test_portions_are_as_large_as_may_be(lengths: list[int], most: int, sizes: list[int]) -> None:
    runs = portions(lengths, most)

    assert [len(lengths[run]) for run in runs] == sizes
    assert [n for run in runs for n in lengths[run]] == lengths


def test_joined_utterances_keep_their_frames() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(n, t, 3)) for n, t in ((2, 5), (1, 7))]
    lengths = [np.array([5, 4]), np.array([7])]
    parts = [Encoded(a, n, {2: -a}) for a, n in zip(arrays, lengths, strict=True)]

    whole = joined(parts)

    assert whole.out.shape == (3, 7, 3)
    assert whole.lengths.tolist() == [5, 4, 7]
    np.testing.assert_array_equal(whole.out[:2, :5], arrays[0])
    np.testing.assert_array_equal(whole.out[2:], arrays[1])
    np.testing.assert_array_equal(whole.inter[2], -whole.out)
    assert not whole.out[:2, 5:].any()


def test_one_part_is_passed_on() -> None:
    only = Encoded(np.zeros((1, 2, 3)), np.array([2]))

    assert joined([only]) is only
