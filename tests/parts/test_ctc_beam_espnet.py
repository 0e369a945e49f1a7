"""CTC prefix beam search against ESPnet's `BeamSearchTimeSync`."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet_onnx.parts.ctc_beam import ctc_beam
from espnet_onnx.parts.decoding import Decoding

from .search_reference import FixedCTC, posteriors, reference

pytestmark = pytest.mark.export


@pytest.mark.parametrize("kind", ["flat", "peaky"])
@pytest.mark.parametrize("beam_size", [2, 5, 12])
@pytest.mark.parametrize("penalty", [0.0, 0.6])
def test_equals_espnet(beam_size: int, kind: str, penalty: float) -> None:
    vocab_size = 30
    log_probs = posteriors(np.random.default_rng(beam_size), 40, vocab_size, kind)
    package = reference.__name__.rpartition(".")[0]
    time_sync = importlib.import_module(f"{package}.beam_search_timesync")
    decoding = Decoding(beam_size=beam_size, ctc_weight=0.5, penalty=penalty, nbest=beam_size)
    search = time_sync.BeamSearchTimeSync(
        sos=vocab_size - 1,
        beam_size=beam_size,
        scorers={"ctc": FixedCTC(log_probs), "decoder": None},
        weights=decoding.weights,
        token_list=[str(i) for i in range(vocab_size)],
    )
    theirs = search(torch.zeros(40, 1))
    (ours,) = ctc_beam(log_probs[None], np.array([40]), decoding)
    assert [list(h.tokens) for h in ours] == [h.yseq.tolist()[1:-1] for h in theirs]
    assert [h.score for h in ours] == pytest.approx([float(h.score) for h in theirs], abs=1e-4)
