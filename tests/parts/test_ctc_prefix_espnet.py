"""CTC prefix scores against ESPnet's, step by step along random hypotheses.

Shapes: T frames, V tokens, H hypotheses, C candidates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet_onnx.parts.ctc_prefix import CTCPrefixScorer
from espnet_onnx.types import Array

from .search_reference import HAS_WINDOW, FixedCTC, posteriors, reference_ctc

pytestmark = pytest.mark.export

VOCAB, BEAM, STEPS = 20, 4, 12
EOS = VOCAB - 1


def _reference(log_probs: Array, margin: int) -> Any:
    window = {"window_margin": margin} if HAS_WINDOW else {}
    scorer = reference_ctc.CTCPrefixScorer(FixedCTC(log_probs), EOS, **window)
    scorer.batch_init_state(torch.zeros(len(log_probs), 1))
    return scorer.impl


def _survivors(rng: np.random.Generator, scores: Array, columns: Array) -> tuple[Array, Array]:
    """Rows and columns such as a search would keep: good ones, never <eos> or blank."""
    noisy = np.where((columns == 0) | (columns == EOS), -np.inf, scores)
    noisy = noisy + rng.gumbel(size=scores.shape)
    return np.divmod(np.argsort(noisy.ravel())[-BEAM:], scores.shape[1])


def _first(ours: CTCPrefixScorer, ids: Array | None) -> Array:
    """Scores after <sos>, of which we keep one hypothesis and ESPnet as many as later."""
    rows = [None] * BEAM if ids is None else list(ids[:, None])
    scores = [ours.score(0, np.array([EOS]), row) for row in rows]
    ours.score(0, np.array([EOS]), None)
    return np.concatenate(scores)


def _check(ours: Array, theirs: Array, columns: Array) -> bool:
    """Compare candidates but blank; whether any hypothesis is still possible."""
    chosen = np.take_along_axis(theirs, columns, axis=1)
    possible = (ours > -1e8) & (columns != 0)
    assert (chosen[(ours < -1e8) & (columns != 0)] < -1e8).all()
    # float32 sums over the utterance on their side
    np.testing.assert_allclose(ours[possible], chosen[possible], rtol=1e-5, atol=1e-3)
    return bool(possible.any())


@pytest.mark.parametrize("margin", [0, 5, 100])
@pytest.mark.parametrize("kind", ["flat", "peaky"])
@pytest.mark.parametrize("candidates", [None, 7])
@pytest.mark.parametrize("frames", [1, 37, 130])
def test_equals_espnet(margin: int, kind: str, candidates: int | None, frames: int) -> None:
    if margin and not HAS_WINDOW:
        pytest.skip("this ESPnet has no CTC window")
    rng = np.random.default_rng(frames)
    log_probs = posteriors(rng, frames, VOCAB, kind)
    theirs, state = _reference(log_probs, margin), None
    ours = CTCPrefixScorer(log_probs[None], np.array([frames]), blank=0, eos=EOS, margin=margin)
    prefixes = np.full((BEAM, 1), EOS)
    for step in range(min(STEPS, frames)):
        ids = np.stack([rng.permutation(VOCAB)[: candidates or VOCAB] for _ in range(BEAM)])
        reference_ids = torch.from_numpy(ids) if candidates else None
        expected, state = theirs(torch.from_numpy(prefixes), state, reference_ids)
        mine = ids if candidates else None
        scores = ours.score(0, prefixes[:, -1], mine) if step else _first(ours, mine)
        columns = np.arange(VOCAB)[None].repeat(BEAM, 0) if mine is None else ids
        if not _check(scores, expected.numpy(), columns):
            break
        parents, chosen = _survivors(rng, scores, columns)
        tokens = columns[parents, chosen]
        ours.select(0, parents if step else np.zeros_like(parents), chosen if step else tokens)
        state = theirs.index_select_state(state, torch.from_numpy(parents * VOCAB + tokens)[None])
        prefixes = np.concatenate((prefixes[parents], tokens[:, None]), axis=1)
    assert step >= min(STEPS, frames) // 3
