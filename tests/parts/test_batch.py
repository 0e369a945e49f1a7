from __future__ import annotations

import itertools

import numpy as np
import pytest

from espnet_onnx.errors import InputError
from espnet_onnx.parts.batch import buckets, in_order, pad


def test_pad_keeps_values_and_zeros_the_rest() -> None:
    batch, lengths = pad([np.array([1.0, 2.0, 3.0]), np.array([4.0])])
    np.testing.assert_array_equal(batch, [[1, 2, 3], [4, 0, 0]])
    np.testing.assert_array_equal(lengths, [3, 1])
    assert (batch.dtype, lengths.dtype) == (np.float32, np.int64)


def test_pad_of_nothing_is_empty() -> None:
    batch, lengths = pad([])
    assert (batch.shape, lengths.shape) == ((0, 0), (0,))


def test_buckets_hold_like_lengths_and_every_index_once() -> None:
    lengths = np.random.default_rng(0).integers(1, 1000, 97).tolist()
    groups = buckets(lengths, 8)
    assert sorted(i for group in groups for i in group) == list(range(97))
    for group in groups:
        sizes = [lengths[i] for i in group]
        assert len(group) <= 8
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[-1] * 2 >= sizes[0]
    # Full wherever the next utterance is long enough to have joined.
    for group, following in itertools.pairwise(groups):
        assert len(group) == 8 or lengths[following[0]] * 2 < lengths[group[0]]


def test_equal_lengths_stay_in_order() -> None:
    assert buckets([5, 5, 5], 2) == [[0, 1], [2]]
    assert buckets([], 4) == []


def test_results_return_to_the_order_of_the_utterances() -> None:
    lengths = [3, 90, 50, 4, 91]
    groups = buckets(lengths, 2)
    assert groups == [[4, 1], [2], [3, 0]]
    assert in_order(groups, [[lengths[i] for i in group] for group in groups]) == lengths


def test_a_result_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        in_order([[0, 1]], [["a"]])


def test_an_empty_batch_size_is_refused() -> None:
    with pytest.raises(InputError, match="batch_size is 0"):
        buckets([1], 0)
