"""CTC prefix scores over frames that still come, against ESPnet's `CTCPrefixScoreTH`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

try:
    from espnet2.legacy.nets.ctc_prefix_score import CTCPrefixScoreTH
except ImportError:
    from espnet.nets.ctc_prefix_score import CTCPrefixScoreTH

from espnet_onnx.parts.streaming_ctc import GrowingCTC
from espnet_onnx.types import Array

pytestmark = pytest.mark.export

TOKENS, EOS = 7, 6


def posteriors(frames: int) -> Array:
    scores = 3 * np.random.default_rng(frames).standard_normal((frames, TOKENS), dtype=np.float32)
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


def selected(state: Any, rows: list[int], columns: list[int], ids: Any) -> list[Any]:
    """States of some candidates, one by one, as `CTCPrefixScorer.select_state` makes them."""
    r, psi, f_min, f_max, idmap = state
    out = []
    for row, column in zip(rows, columns, strict=True):
        token = column if ids is None else int(ids[row, column])
        place = token if idmap is None else int(idmap[row, token])
        out.append((r[:, :, row, place], psi[row, token].expand(TOKENS), f_min, f_max))
    return out


def stacked(states: list[Any]) -> Any:
    r = torch.stack([s[0] for s in states], dim=2)
    return r, torch.stack([s[1] for s in states]), states[0][2], states[0][3]


def candidates(last: int, rng: np.random.Generator) -> Array:
    """The last token (1 for the empty prefix), two others, and <eos>."""
    first = 1 if last == EOS else last
    others = rng.permutation([t for t in range(1, EOS) if t != first])
    return np.array([first, *others[:2], EOS])


@pytest.mark.parametrize("partial", [True, False])
def test_equals_espnet_while_frames_come(partial: bool) -> None:
    x = posteriors(40)
    ours = GrowingCTC(TOKENS, blank=0, eos=EOS)
    ours.extend(x[:9])
    theirs = CTCPrefixScoreTH(torch.from_numpy(x[None, :9].copy()), torch.tensor([9]), 0, EOS)
    prefixes, states, tokens = ours.start(), None, np.full((1, 1), EOS)
    rng = np.random.default_rng(0)
    for end in (9, 9, 9, 24, 24, 40, 40, 40):
        if end > ours.frames:
            ours.extend(x[ours.frames : end])
            prefixes = ours.grown(prefixes)
            theirs.extend_prob(torch.from_numpy(x[None, :end].copy()))
            states = states and [theirs.extend_state(s) for s in states]
        # the first candidate repeats the last token, which is the case that differs
        ids = np.stack([candidates(int(last), rng) for last in tokens[:, -1]])
        given = ids if partial else None
        scored = ours.score(prefixes, tokens[:, -1], given)
        expected, state = theirs(
            torch.from_numpy(tokens),
            states and stacked(states),
            None if given is None else torch.from_numpy(given),
        )
        wanted = expected.numpy() if given is None else np.take_along_axis(expected.numpy(), ids, 1)
        alive = wanted > -1e9
        np.testing.assert_allclose(scored.scores[alive], wanted[alive], atol=2e-3)
        assert (scored.scores[~alive] < -1e8).all()
        rows = rng.integers(0, len(tokens), 3)
        columns = rng.integers(0, 3, 3) if partial else rng.integers(1, 6, 3)
        columns[0] = 0 if partial else ids[rows[0], 0]
        prefixes = ours.select(scored, rows, columns)
        states = selected(state, rows.tolist(), columns.tolist(), given)
        new = ids[rows, columns] if partial else columns
        tokens = np.concatenate((tokens[rows], new[:, None]), axis=1)


def test_older_hypotheses_stay_usable() -> None:
    ctc = GrowingCTC(TOKENS, blank=0, eos=EOS)
    ctc.extend(posteriors(12))
    start = ctc.start()
    scored = ctc.score(start, np.array([EOS]), None)
    first = ctc.select(scored, np.array([0]), np.array([2]))
    before = ctc.score(first, np.array([2]), None).scores
    ctc.select(ctc.score(first, np.array([2]), None), np.array([0]), np.array([2]))
    assert np.array_equal(ctc.score(first, np.array([2]), None).scores, before)
    ctc.extend(posteriors(5))
    assert ctc.grown(first).silent.shape == (1, 17)
    assert first.silent.shape == (1, 12)
