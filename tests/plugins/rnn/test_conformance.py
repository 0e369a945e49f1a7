"""The conformance kit on plugin rnn, and its bundles' answers in a batch."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.export
pytest.importorskip("torch")

from espnet_onnx import load
from espnet_onnx.reference import Recogniser
from espnet_onnx.testing import Conformance, Specimen


class TestConformance(Conformance):
    plugin = "rnn"

    def test_a_ragged_batch_has_espnets_nbest(self, specimen: Specimen) -> None:
        options = {"beam_size": 4, "ctc_weight": 0.3, "maxlenratio": -5, "nbest": 3}
        asr = load(specimen.bundle, threads=1)
        espnet = Recogniser(specimen.loaded, ctc_window_margin=0, **options).speech2text
        rng = np.random.default_rng(1)
        noises = [rng.normal(0, 0.1, n).astype(np.float32) for n in (4000, 3001, 8011)]
        ours = asr.batch(noises, ctc_window_margin=0, **options)
        for noise, result in zip(noises, ours, strict=True):
            wanted = espnet(noise)
            assert [h.ids for h in result.nbest] == [
                tuple(map(int, ids)) for _, _, ids, _ in wanted
            ]
            scores = [float(h.score) for *_, h in wanted]
            np.testing.assert_allclose([h.score for h in result.nbest], scores, atol=1e-3)
            assert asr(noise, ctc_window_margin=0, **options).ids == result.ids
