"""Transformer-TTS against ESPnet's own, on tiny random models.

Shapes: B utterances, U tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import espnet_onnx as eo
import espnet_onnx_plugin_transformer_tts as plugin
from espnet_onnx_plugin_transformer_tts.tiny import SIZES, TTS

from ..frame_models import Opened, RowNoise, controls_of, espnet_says

pytestmark = pytest.mark.export

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"reduction_factor": 2},
}


@pytest.fixture(scope="module", params=VARIANTS)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    config = {**TTS, "tts_conf": {**SIZES, **VARIANTS[request.param]}}
    return Opened(plugin, config, tmp_path_factory.mktemp("transformer_tts"))


def test_every_graph_equals_espnet(opened: Opened) -> None:
    assert max(opened.differences.values()) < 1e-4, opened.differences


def test_a_ragged_batch_speaks_as_espnet_speaks_each(opened: Opened) -> None:
    rng = np.random.default_rng(0)
    # The longest needs more slots than a cache begins with.
    lengths = np.array([7, 3, 13], np.int64)
    tokens = rng.integers(1, opened.live.idim - 1, (3, 13))
    controls = controls_of(opened.live, 3)
    limits = {"minlenratio": 0.5, "maxlenratio": 10.0}
    rows = [tokens[i, :n] for i, n in enumerate(lengths)]
    never = espnet_says(opened, rows[2], 2, controls, threshold=2.0, **limits)["prob"]
    for threshold in (2.0, float(np.quantile(never, 0.97))):
        options = {**limits, "threshold": threshold}
        spoken = opened.speaker(tokens, lengths, {**controls, **options}, RowNoise())
        for i, row in enumerate(rows):
            wanted = espnet_says(opened, row, i, controls, **options)
            assert spoken.lengths[i] == len(wanted["feat_gen"])
            got = spoken.feats[i, : spoken.lengths[i]]
            np.testing.assert_allclose(got, wanted["feat_gen"], atol=2e-4)
            prob = spoken.details["prob"][i, : len(got)]
            np.testing.assert_allclose(prob, wanted["prob"], atol=1e-4)


@pytest.mark.parametrize(
    ("conf", "why"),
    [
        ({"positionwise_layer_type": "none"}, "positionwise_layer_type none"),
        ({"postnet_filts": 4}, "postnet_filts 4"),
        ({"dlayers": 0}, "dlayers 0"),
        ({"spks": 3}, "needs sids"),
    ],
)
def test_what_espnet_cannot_speak_with_is_declined(conf: dict[str, Any], why: str) -> None:
    answer = plugin.split_modules(eo.Component("tts", "acoustic", "transformer", conf))
    assert isinstance(answer, eo.Declined)
    assert why in answer.reason
