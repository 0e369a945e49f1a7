"""Two hearings of one stretch of speech are joined: no word is lost and none doubled."""

from __future__ import annotations

import numpy as np
import pytest

from espnet_onnx.parts.seams import Unit, seam

DIGITS = ["ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"]


def speech(count: int, seed: int, words: list[str] = DIGITS) -> list[Unit]:
    """Words one after another, from 0.3 s to 0.8 s apart, shown as briefly as CTC shows them."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum(rng.uniform(0.35, 0.8, count))
    lengths = rng.uniform(0.04, 0.3, count)
    texts = rng.choice(words, count)
    return [
        Unit(str(text), i, i + 1, float(start), float(start + length))
        for i, (text, start, length) in enumerate(zip(texts, starts, lengths, strict=True))
    ]


def heard(said: list[Unit], start: float, end: float, jitter: float, seed: int) -> list[Unit]:
    """What a piece from `start` to `end` hears: words at slightly other times, and wrong ones where
    it cuts them."""
    rng = np.random.default_rng(seed)
    found = []
    for unit in said:
        assert unit.start is not None and unit.end is not None
        if not start - 0.05 < unit.centre < end + 0.05:
            continue
        cut = unit.start < start + 0.1 or unit.end > end - 0.1
        by = float(rng.uniform(-jitter, jitter))
        text = "CUT" if cut else unit.text
        found.append(Unit(text, len(found), len(found) + 1, unit.start + by, unit.end + by))
    return found


def joined(left: list[Unit], right: list[Unit], start: float, end: float) -> list[str]:
    found = seam(left, right, start, end)
    assert start <= found.time <= end + 0.1
    return [unit.text for unit in [*left[: found.keep], *right[found.skip :]]]


@pytest.mark.parametrize("words", [DIGITS, ["ONE", "TWO"], ["FIVE"]])
@pytest.mark.parametrize("jitter", [0.0, 0.05, 0.1])
def test_wherever_the_overlap_lies_every_word_is_there_once(
    words: list[str], jitter: float
) -> None:
    said = speech(40, seed=1, words=words)
    texts = [unit.text for unit in said]
    for seed, start in enumerate(np.arange(3.0, 15.0, 0.07)):
        end = float(start) + 3.0
        left = heard(said, -9.0, end, jitter, 2 * seed)
        right = heard(said, float(start), 99.0, jitter, 2 * seed + 1)
        assert joined(left, right, float(start), end) == texts, start


def test_a_wrong_word_in_the_overlap_is_still_one_word() -> None:
    said = speech(40, seed=2)
    for start in np.arange(3.0, 15.0, 0.11):
        end = float(start) + 3.0
        left = heard(said, -9.0, end, 0.05, 0)
        right = heard(said, float(start), 99.0, 0.05, 1)
        wrong = [Unit("WRONG", u.first, u.last, u.start, u.end) for u in right]
        text = joined(left, wrong, float(start), end)
        assert len(text) == len(said)
        assert text == sorted(text, key=lambda t: t == "WRONG")


def test_where_one_hears_nothing_the_other_is_kept() -> None:
    said = speech(5, seed=3)
    assert joined(said, [], 1.0, 3.0) == joined([], said, 1.0, 3.0) == [u.text for u in said]


def test_the_seam_is_near_the_middle() -> None:
    said = speech(60, seed=4)
    for start in np.arange(3.0, 15.0, 0.5):
        start, end = float(start), float(start) + 4.0
        left, right = heard(said, -9.0, end, 0.02, 0), heard(said, start, 99.0, 0.02, 1)
        assert abs(seam(left, right, start, end).time - (start + 2)) < 0.8


def untimed(units: list[Unit]) -> list[Unit]:
    return [Unit(u.text, u.first, u.last) for u in units]


def test_without_times_common_text_decides() -> None:
    words = [f"w{i}" for i in range(20)]
    said = speech(60, seed=5, words=words)
    texts = [unit.text for unit in said]
    for start in np.arange(8.0, 20.0, 0.13):
        end = float(start) + 4.0
        left = untimed(heard(said, -9.0, end, 0.0, 0))
        right = untimed(heard(said, float(start), 99.0, 0.0, 1))
        found = seam(left, right, float(start), end, (12, 12))
        text = [unit.text for unit in [*left[: found.keep], *right[found.skip :]]]
        assert text == texts, start


def test_without_times_a_word_heard_by_one_alone_costs_nothing_else() -> None:
    def units(text: str) -> list[Unit]:
        return [Unit(t, i, i + 1) for i, t in enumerate(text.split())]

    left, right = units("a b c d e f g xx"), units("yy d e zz f g h i")
    found = seam(left, right, 0.0, 1.0)
    text = " ".join(u.text for u in [*left[: found.keep], *right[found.skip :]])
    assert text in ("a b c d e f g h i", "a b c d e zz f g h i")


def test_without_times_nothing_in_common_is_put_together() -> None:
    left = [Unit(t, i, i + 1) for i, t in enumerate("abc")]
    right = [Unit(t, i, i + 1) for i, t in enumerate("xyz")]
    found = seam(left, right, 0.0, 1.0)
    assert (found.keep, found.skip) == (3, 0)
