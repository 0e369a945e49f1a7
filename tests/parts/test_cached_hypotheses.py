"""Hypotheses over a cache: what they name after a search moved them about."""

from __future__ import annotations

import numpy as np

from espnet_onnx.parts.cached_hypotheses import CachedHypotheses, last_tokens
from espnet_onnx.types import Array


class Step:
    """The shapes of a step with one block of two heads of width three."""

    def __init__(self) -> None:
        past = ("batch", 2, "slots", 3)
        self.inputs = {"tokens": ("batch", "beams"), "past_key_0": past, "past_value_0": past}

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        raise AssertionError("only the shapes count here")


def empty(batch: int) -> CachedHypotheses:
    return CachedHypotheses.empty(batch, Step(), {"lengths": np.arange(batch)})


def rows(tokens: Array) -> list[Array]:
    """Keys that are the tokens themselves, values that are their negatives."""
    batch, beams = tokens.shape
    keys = np.broadcast_to(tokens[:, None, :, None], (batch, 2, beams, 3)).astype(np.float32)
    return [keys, -keys]


def spelt(state: CachedHypotheses) -> Array:
    """The tokens (B, H, U) in the slots that hypotheses name."""
    keys = state.cache.slots["past_key_0"][:, 0, :, 0]
    flat = state.ancestors.reshape(len(keys), -1)
    return np.take_along_axis(keys, flat, axis=1).reshape(state.ancestors.shape)


def test_hypotheses_name_their_own_past_through_a_long_search() -> None:
    rng = np.random.default_rng(0)
    state, prefixes, beams = empty(2), np.zeros((2, 1, 0), int), 1
    for _ in range(60):
        parents = rng.integers(0, beams, (2, 4))
        new = rng.integers(1, 1000, (2, 4))
        state = state.children(parents).append(rows(new))
        beams = 4
        prefixes = np.take_along_axis(prefixes, parents[:, :, None], axis=1)
        prefixes = np.concatenate((prefixes, new[:, :, None]), axis=2)
        np.testing.assert_array_equal(spelt(state), prefixes)
    np.testing.assert_array_equal(state.feed["past_value_0"], -state.feed["past_key_0"])


def test_a_state_grows_twice_without_harm() -> None:
    state = empty(1).children(np.zeros((1, 2), int)).append(rows(np.array([[5, 6]])))
    order = np.array([[1, 0]])
    one = state.children(order).append(rows(np.array([[7, 8]])))
    other = state.children(order).append(rows(np.array([[9, 4]])))
    assert spelt(one).tolist() == [[[6, 7], [5, 8]]]
    assert spelt(other).tolist() == [[[6, 9], [5, 4]]]


def test_a_hidden_token_is_named_by_the_first_one() -> None:
    first = np.zeros((1, 1), int)
    # the first token has nothing before it that could stand in
    state = empty(1).children(first).append(rows(np.array([[3]])), hidden=np.array([[True]]))
    hidden = np.array([[True, False]])
    state = state.children(np.zeros((1, 2), int)).append(rows(np.array([[8, 9]])), hidden)
    assert spelt(state).tolist() == [[[3, 3], [3, 9]]]


def test_some_utterances_can_be_kept() -> None:
    state = empty(3).children(np.zeros((3, 2), int)).append(rows(np.arange(6).reshape(3, 2)))
    kept = state.keep(np.array([0, 2]))
    assert spelt(kept).tolist() == [[[0], [1]], [[4], [5]]]
    assert kept.sources["lengths"].tolist() == [0, 2]
    grown = kept.children(np.zeros((2, 1), int)).append(rows(np.array([[7], [8]])))
    assert spelt(grown).tolist() == [[[0, 7]], [[4, 8]]]


def test_last_tokens_are_in_one_piece() -> None:
    last = last_tokens(np.arange(24).reshape(2, 3, 4))
    assert last.flags.c_contiguous
    assert last.tolist() == [[3, 7, 11], [15, 19, 23]]
