"""CTC forced alignment against every path (tiny) and against torchaudio (larger)."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from espnet_onnx.parts.alignment import Alignment, align, confidences, seconds


def random_log_probs(frames: int, vocabulary: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 3, (frames, vocabulary))
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


def collapse(path: tuple[int, ...], blank: int) -> list[int]:
    return [token for token, _ in itertools.groupby(path) if token != blank]


def best_by_trying(log_probs: np.ndarray, ids: list[int], blank: int) -> float:
    frames, vocabulary = log_probs.shape
    paths = itertools.product(range(vocabulary), repeat=frames)
    fitting = [p for p in paths if collapse(p, blank) == ids]
    scores = [sum(float(log_probs[t, v]) for t, v in enumerate(p)) for p in fitting]
    return max(scores, default=-math.inf)


def frames_of(alignment: Alignment, ids: list[int], frames: int, blank: int) -> np.ndarray:
    """The path an alignment describes, (T,)."""
    path = np.full(frames, blank)
    for token, start, end in zip(ids, alignment.starts, alignment.ends, strict=True):
        path[start:end] = token
    return path


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_equals_the_best_of_all_paths(count: int, blank: int) -> None:
    labels = [v for v in range(3) if v != blank]
    for seed, ids in enumerate(itertools.product(labels, repeat=count)):
        log_probs = random_log_probs(6, 3, seed)
        alignment = align(log_probs, list(ids), blank)
        best = best_by_trying(log_probs, list(ids), blank)
        assert alignment.log_prob == pytest.approx(best, abs=1e-5)
        if math.isfinite(best):
            path = frames_of(alignment, list(ids), 6, blank)
            assert collapse(tuple(path.tolist()), blank) == list(ids)
            assert log_probs[np.arange(6), path].sum() == pytest.approx(best, abs=1e-5)


@pytest.mark.export
@pytest.mark.parametrize(
    ("frames", "count", "vocabulary"), [(50, 12, 6), (301, 80, 40), (97, 48, 3)]
)
def test_equals_torchaudio(frames: int, count: int, vocabulary: int) -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchaudio.functional")
    log_probs = random_log_probs(frames, vocabulary, seed=frames)
    ids = np.random.default_rng(count).integers(1, vocabulary, count)
    ids[1::9] = ids[0::9][: len(ids[1::9])]  # some neighbours are equal
    path, scores = functional.forced_align(
        torch.from_numpy(log_probs)[None], torch.from_numpy(ids)[None], blank=0
    )
    spans = functional.merge_tokens(path[0], scores[0].exp(), blank=0)
    alignment = align(log_probs, ids.tolist())
    assert alignment.starts == [span.start for span in spans]
    assert alignment.ends == [span.end for span in spans]
    assert alignment.log_prob == pytest.approx(float(scores.sum()), abs=1e-2)


def test_every_frame_is_needed_where_tokens_repeat() -> None:
    log_probs = random_log_probs(5, 3, seed=0)
    assert align(log_probs, [1, 1, 1]).starts == [0, 2, 4]
    assert align(log_probs, [1, 2, 1, 2, 1]).starts == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("frames", "ids"),
    [(2, [1, 1]), (3, [1, 2, 1, 2]), (0, [1]), (0, []), (9, [1, 0, 2])],
    ids=["no blank between", "more tokens than frames", "no frames", "nothing", "blank given"],
)
def test_without_a_path_times_are_none(frames: int, ids: list[int]) -> None:
    alignment = align(random_log_probs(frames, 3, seed=0), ids)
    assert alignment == Alignment([None] * len(ids), [None] * len(ids), -math.inf)
    assert seconds(alignment, 0.04, 1.0) == [None] * len(ids)
    assert confidences(random_log_probs(frames, 3, 0), ids, alignment) == [None] * len(ids)


@pytest.mark.parametrize("value", [-np.inf, np.nan])
def test_impossible_tokens_have_no_path(value: float) -> None:
    log_probs = random_log_probs(9, 4, seed=0)
    log_probs[:, 2] = value
    assert align(log_probs, [1, 2]).starts == [None, None]
    assert align(log_probs, [1, 3]).starts != [None, None]


def test_no_tokens_is_all_blank() -> None:
    log_probs = random_log_probs(4, 3, seed=0)
    alignment = align(log_probs, [])
    assert (alignment.starts, alignment.ends) == ([], [])
    assert alignment.log_prob == pytest.approx(float(log_probs[:, 0].sum()), abs=1e-5)


def test_a_minute_is_in_order_and_within_the_recording() -> None:
    ids = np.random.default_rng(0).integers(1, 50, 300).tolist()
    times = seconds(align(random_log_probs(1500, 50, seed=1), ids), 0.04, 59.99)
    flat = [edge for time in times if time for edge in time]
    assert len(flat) == 600
    assert flat == sorted(flat)
    assert flat[0] >= 0
    assert flat[-1] <= 59.99


def test_seconds_end_with_the_recording() -> None:
    alignment = Alignment([0, 2, 4, 6], [1, 4, 6, 7], -1.0)
    times = seconds(alignment, 0.5, 2.75)
    assert times == [(0.0, 0.5), (1.0, 2.0), (2.0, 2.75), (2.75, 2.75)]


def test_confidence_is_the_mean_over_the_tokens_frames() -> None:
    log_probs = np.log(np.array([[0.1, 0.9], [0.6, 0.4], [0.5, 0.5]]))
    values = confidences(log_probs, [1], Alignment([0], [2], -1.0))
    assert values == [pytest.approx(math.sqrt(0.9 * 0.4))]
