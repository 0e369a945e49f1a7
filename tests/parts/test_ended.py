"""When a search may stop, and how its results are ranked."""

from __future__ import annotations

import pytest

from espnet_onnx.parts.ended import Ended
from espnet_onnx.parts.hypothesis import Hypothesis


def _ended(**scores_by_length: float) -> Ended:
    """Hypotheses `n5=-1.0`: 5 tokens with <sos> and <eos>, score -1."""
    ended = Ended()
    for name, score in scores_by_length.items():
        ended.add(Hypothesis(tuple(range(int(name[1:]) - 2)), score))
    return ended


def test_stops_after_three_lengths_that_are_far_worse() -> None:
    ended = _ended(n3=-1.0, n5=-11.5, n6=-12.0, n7=-40.0)
    assert ended.is_final(7)
    assert not ended.is_final(6)  # length 4 never ended
    assert not ended.is_final(8)


@pytest.mark.parametrize(("worst", "final"), [(-10.9, False), (-11.0, False), (-11.1, True)])
def test_far_worse_is_ten_nats(worst: float, final: bool) -> None:
    assert _ended(n3=-1.0, n5=worst, n6=-30.0, n7=-30.0).is_final(7) is final


def test_the_best_of_a_length_counts() -> None:
    ended = _ended(n3=-1.0, n5=-20.0, n6=-20.0, n7=-20.0)
    ended.add(Hypothesis((1, 2, 3, 4), -5.0))
    assert not ended.is_final(7)


def test_nothing_ended() -> None:
    assert not Ended().is_final(7)
    assert Ended().best(3, normalize_length=False) == []


def test_ranks_by_score_or_by_score_per_token() -> None:
    ended = _ended(n3=-2.0, n9=-4.0, n4=-2.5)
    assert [h.score for h in ended.best(2, normalize_length=False)] == [-2.0, -2.5]
    assert [h.score for h in ended.best(3, normalize_length=True)] == [-4.0, -2.5, -2.0]
