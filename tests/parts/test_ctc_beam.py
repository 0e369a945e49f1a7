"""CTC prefix beam search against the sum over every path, written out."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest

from espnet_onnx.errors import InputError
from espnet_onnx.parts.ctc_beam import ctc_beam
from espnet_onnx.parts.decoding import Decoding
from espnet_onnx.types import Array


def _posteriors(seed: int, *shape: int) -> Array:
    logits = np.random.default_rng(seed).normal(size=shape) * 2
    log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return log_probs.astype(np.float32)


@pytest.mark.parametrize("blank", [0, 2])
def test_wide_beam_sums_every_path(blank: int) -> None:
    log_probs = _posteriors(0, 6, 3)
    said: dict[tuple[int, ...], float] = {}
    for path in product(range(3), repeat=6):
        tokens = tuple(label for label, _ in groupby(path) if label != blank)
        score = float(sum(log_probs[t, v] for t, v in enumerate(path)))
        said[tokens] = float(np.logaddexp(said.get(tokens, -np.inf), score))
    decoding = Decoding(beam_size=1000, ctc_weight=1.0, nbest=20)
    (found,) = ctc_beam(log_probs[None], np.array([6]), decoding, blank)
    assert [h.tokens for h in found] == sorted(said, key=lambda s: said[s], reverse=True)[:20]
    assert [h.score for h in found] == pytest.approx([said[h.tokens] for h in found], abs=1e-5)


def test_batch_equals_each_utterance_alone() -> None:
    log_probs, lengths = _posteriors(1, 3, 15, 6), np.array([15, 2, 9])
    decoding = Decoding(beam_size=3, nbest=2, penalty=0.4)
    together = ctc_beam(log_probs, lengths, decoding)
    for b, n in enumerate(lengths):
        assert together[b] == ctc_beam(log_probs[b : b + 1, :n], lengths[b : b + 1], decoding)[0]


def test_needs_a_weight() -> None:
    with pytest.raises(InputError, match="ctc_weight=0"):
        ctc_beam(_posteriors(2, 1, 3, 4), np.array([3]), Decoding(ctc_weight=0.0))
