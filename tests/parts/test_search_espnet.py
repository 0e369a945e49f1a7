"""Beam search against ESPnet's `BatchBeamSearch`, the decoder and the CTC posteriors shared.

Shapes: B utterances, T frames, V tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet_onnx.parts.decoding import Decoding

from .search_reference import (
    HAS_WINDOW,
    WIDTH,
    TorchScorer,
    decode,
    espnet_decode,
    posteriors,
    random_decoder,
)

pytestmark = pytest.mark.export

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "length bonus": {"penalty": 0.5},
    "shortest": {"minlenratio": 0.2},
    "fixed length": {"maxlenratio": -6.0},
    "ratio, by length": {"maxlenratio": 0.3, "normalize_length": True},
    "ctc only": {"ctc_weight": 1.0},
    "attention only": {"ctc_weight": 0.0, "maxlenratio": 0.5},
}


def _assert_same(ours: list[Any], theirs: Any, tolerance: float) -> None:
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine[1] == pytest.approx(other[1], rel=tolerance, abs=tolerance)
        assert mine[0] == other[0]
        assert mine[2] == pytest.approx(other[2], rel=tolerance, abs=10 * tolerance)


CASES = [(option, beam, 40) for option in OPTIONS for beam in (1, 3, 10)]
CASES += [("plain", 10, 14), ("ctc only", 10, 14)]  # a pre-beam as large as the vocabulary


@pytest.mark.parametrize(("option", "beam_size", "vocab_size"), CASES)
def test_equals_espnet(option: str, beam_size: int, vocab_size: int) -> None:
    seed = beam_size + vocab_size
    rng = np.random.default_rng(seed)
    decoder = random_decoder(vocab_size, seed)
    # ESPnet 202511 fails where more tokens are asked for than there are frames
    frames, kinds = (19, 80, 1 if HAS_WINDOW else 7), ("flat", "peaky", "flat")
    encoder_outs = [rng.normal(size=(t, WIDTH)).astype(np.float32) for t in frames]
    log_probs = [
        posteriors(rng, t, vocab_size, kind) for t, kind in zip(frames, kinds, strict=True)
    ]
    scorers = {"decoder": TorchScorer(decoder)}
    for margin in (0, 12) if HAS_WINDOW else (0,):
        settings = {"beam_size": beam_size, "ctc_weight": 0.3, "nbest": 2, **OPTIONS[option]}
        decoding = Decoding(ctc_window_margin=margin, **settings)
        together = decode(scorers, encoder_outs, log_probs, decoding)
        for b, (x, p) in enumerate(zip(encoder_outs, log_probs, strict=True)):
            theirs = espnet_decode(decoder, x, p, decoding)
            # ESPnet adds float32 scores; where all are impossible (-1e10) it cannot rank them
            possible = [h for h in theirs if h[1] > -1e8]
            _assert_same(together[b][: len(possible)], possible, 1e-4)
            alone = decode(scorers, [x], [p], decoding)[0]
            _assert_same(together[b], alone, 1e-6)
