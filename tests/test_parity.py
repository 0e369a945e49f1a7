"""The gate's arithmetic: what counts as a difference, and what each utterance is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import espnet_onnx as eo
from espnet_onnx.parity import compare, cosine, cut, difference, expect
from espnet_onnx.types import Array, Feed

NAN, INF = np.nan, np.inf


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([0.5], [0.25], 0.25),  # small values: absolute
        ([110.0], [100.0], 0.1),  # large ones: relative to the largest of the reference
        ([1.0], [1.0, 1.0], INF),
        ([NAN], [1.0], INF),
        ([1.0], [NAN], INF),
        ([NAN, 1.0], [NAN, 1.0], INF),
        ([-INF, 1.0], [-INF, 1.5], 0.5 / 1.5),
        ([INF], [-INF], INF),
        ([NAN], [INF], INF),
        ([], [], 0.0),
    ],
)
def test_difference(a: list[float], b: list[float], wanted: float) -> None:
    assert difference(np.array(a), np.array(b)) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ([1.0, 0.0], [2.0, 0.0], 1.0),
        ([1.0, 0.0], [0.0, 1.0], 0.0),
        ([0.0], [0.0], 1.0),
        ([0.0], [1.0], 0.0),
        ([1.0], [1.0, 1.0], -1.0),
        ([NAN, 1.0], [1.0, 1.0], -1.0),
        ([-INF, 1.0], [-INF, 2.0], 1.0),
    ],
)
def test_cosine(a: list[float], b: list[float], wanted: float) -> None:
    assert cosine(np.array(a), np.array(b)) == pytest.approx(wanted)


def test_integers_and_booleans_compare() -> None:
    lengths = np.array([3, 4])
    assert difference(lengths, lengths) == 0
    assert difference(lengths, lengths + 1) > 0
    assert difference(np.array([True]), np.array([False])) == 1


class Halves:
    """Every second of (B, T, 1) frames: the reference of a graph without a module."""

    def feed(self, lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng(0)
        shape = (len(lengths), max(lengths), 1)
        return {"x": rng.standard_normal(shape), "x_lengths": np.array(lengths)}

    def reference(self, feed: Feed) -> Feed:
        assert feed["x"].shape[:2] == (1, feed["x_lengths"][0])
        return self.run(feed)

    def run(self, feed: Feed) -> dict[str, Array]:
        return {"y": feed["x"][:, ::2], "y_lengths": (feed["x_lengths"] + 1) // 2}

    def graph(self, **changes: Any) -> eo.Graph:
        values: dict[str, Any] = {
            "module": None,
            "outputs": ("y", "y_lengths"),
            "axes": {
                "x": ("batch", "frames", None),
                "x_lengths": ("batch",),
                "y": ("batch", "half", None),
                "y_lengths": ("batch",),
            },
            "lengths": {"frames": "x_lengths", "half": "y_lengths"},
            "feed": self.feed,
            "reference": self.reference,
            "trials": ((5, 2, 9), (1,)),
        }
        return eo.Graph(**{**values, **changes})


def test_cut_takes_one_utterance_to_its_end() -> None:
    graph = Halves().graph()
    feed = graph.feed((5, 2, 9))
    alone = cut(graph, feed, feed, 1)
    assert alone["x"].shape == (1, 2, 1)
    np.testing.assert_array_equal(alone["x"][0], feed["x"][1, :2])
    assert alone["x_lengths"].tolist() == [2]


def test_equal_sides_pass_with_noise_in_the_padding() -> None:
    halves = Halves()
    graph = halves.graph()
    parity = compare(graph, halves.run, expect(graph))
    assert parity.difference == 0
    assert parity.cosine == pytest.approx(1)
    assert parity.trials == [[5, 2, 9], [1]]


def test_the_worst_output_and_trial_are_named() -> None:
    halves = Halves()
    graph = halves.graph()

    def wrong(feed: Feed) -> dict[str, Array]:
        out = halves.run(feed)
        if len(feed["x"]) == 3:
            out["y"][1, 0] += 0.5  # one frame of the shortest utterance
        return out

    parity = compare(graph, wrong, expect(graph))
    assert parity.difference == pytest.approx(0.5, rel=0.5)
    assert parity.worst == "y, lengths (5, 2, 9)"


def test_a_wrong_length_is_a_difference() -> None:
    halves = Halves()
    graph = halves.graph()

    def wrong(feed: Feed) -> dict[str, Array]:
        out = halves.run(feed)
        return {**out, "y_lengths": out["y_lengths"] - 1}

    assert compare(graph, wrong, expect(graph)).difference == float("inf")


def test_nan_of_a_quantised_graph_is_seen() -> None:
    halves = Halves()
    graph = halves.graph()

    def broken(feed: Feed) -> dict[str, Array]:
        out = halves.run(feed)
        return {**out, "y": np.full_like(out["y"], np.nan)}

    assert compare(graph, broken, expect(graph)).cosine == -1


def test_other_trials_can_be_asked_for() -> None:
    graph = Halves().graph()
    (only,) = expect(graph, [[7, 3]])
    assert only.lengths == [7, 3]
    assert [w["y"].shape for w in only.wanted] == [(1, 4, 1), (1, 2, 1)]
