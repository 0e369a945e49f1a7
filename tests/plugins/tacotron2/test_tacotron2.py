"""Tacotron2 against ESPnet's own, on tiny random models of every attention.

Shapes: B utterances, U tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.tts.utils import DurationCalculator

import espnet_onnx as eo
import espnet_onnx_plugin_tacotron2 as plugin
from espnet_onnx.errors import InputError
from espnet_onnx_plugin_tacotron2.tiny import SIZES, STYLE, TTS

from ..frame_models import Opened, RowNoise, controls_of, espnet_says

pytestmark = pytest.mark.export

VARIANTS: dict[str, dict[str, Any]] = {
    "location": {"reduction_factor": 2},
    "last weights": {
        "cumulate_att_w": False,
        "use_residual": True,
        "embed_dim": 48,
        "zoneout_rate": 0.0,
        "output_activation": "tanh",
        "prenet_layers": 0,
        "postnet_layers": 0,
        "dlayers": 1,
        "spk_embed_dim": 6,
        "spk_embed_integration_type": "add",
    },
    "forward": {
        "atype": "forward",
        "use_batch_norm": False,
        "use_concate": False,
        "reduction_factor": 3,
        "output_activation": "tanh",
        "dropout_rate": 0.3,
    },
    "forward_ta": {
        "atype": "forward_ta",
        "spks": 3,
        "langs": 2,
        "spk_embed_dim": 6,
        **STYLE,
    },
}


@pytest.fixture(scope="module", params=VARIANTS)
def opened(request: pytest.FixtureRequest) -> Opened:
    config = {**TTS, "tts_conf": {**SIZES, **VARIANTS[request.param]}}
    return Opened(plugin, config)


def test_every_graph_equals_espnet(opened: Opened) -> None:
    assert max(opened.differences.values()) < 1e-4, opened.differences


CONSTRAINT = {"use_att_constraint": True, "backward_window": 1, "forward_window": 2}


@pytest.mark.parametrize(
    "asked",
    [{}, CONSTRAINT, {"use_teacher_forcing": True, **CONSTRAINT}],
    ids=["free", "constrained", "forced"],
)
def test_a_ragged_batch_speaks_as_espnet_speaks_each(opened: Opened, asked: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    lengths = np.array([7, 3, 11], np.int64)
    tokens = rng.integers(1, opened.live.idim - 1, (3, 11))
    controls = controls_of(opened.live, 3)
    limits = {"minlenratio": 0.5, "maxlenratio": 2.5}
    rows = [tokens[i, :n] for i, n in enumerate(lengths)]
    # A threshold at which some end of themselves.
    probs = espnet_says(opened, rows[2], 2, controls, threshold=2.0, **limits)["prob"]
    options = {**limits, **asked, "threshold": float(np.quantile(probs, 0.8))}
    spoken = opened.speaker(tokens, lengths, {**controls, **options}, RowNoise())
    for i, row in enumerate(rows):
        wanted = espnet_says(opened, row, i, controls, **options)
        assert spoken.lengths[i] == len(wanted["feat_gen"])
        got = spoken.feats[i, : spoken.lengths[i]]
        np.testing.assert_allclose(got, wanted["feat_gen"], atol=1e-4)
        assert ("prob" in spoken.details) == ("prob" in wanted)
        if "prob" in wanted:
            prob = spoken.details["prob"][i, : len(got)]
            np.testing.assert_allclose(prob, wanted["prob"], atol=1e-4)
        steps, places = wanted["att_w"].shape
        att_w = spoken.details["att_w"][i, :steps, :places]
        np.testing.assert_allclose(att_w, wanted["att_w"], atol=1e-4)
        durations, focus = DurationCalculator()(torch.from_numpy(wanted["att_w"]))
        assert spoken.durations is not None
        assert spoken.durations[i, :places].tolist() == durations.tolist()
        assert not spoken.durations[i, places:].any()
        assert float(spoken.details["focus_rate"][i]) == pytest.approx(float(focus), abs=1e-5)


def test_a_missing_control_is_named(opened: Opened) -> None:
    tokens, lengths = np.array([[1, 2]]), np.array([2])
    for name in {*opened.speaker.needs, "speech"}:
        controls = {**controls_of(opened.live, 1), "use_teacher_forcing": True}
        del controls[name]
        with pytest.raises(InputError, match=name):
            opened.speaker(tokens, lengths, controls, RowNoise())


@pytest.mark.parametrize(
    ("conf", "why"),
    [
        ({"atype": "dot"}, "atype dot"),
        ({"econv_filts": 4}, "econv_filts 4"),
        ({"elayers": 0}, "elayers 0"),
        ({"dlayers": 0}, "dlayers 0"),
        ({"spk_embed_dim": 4, "spk_embed_integration_type": "mul"}, "integration_type mul"),
    ],
)
def test_what_espnet_cannot_speak_with_is_declined(conf: dict[str, Any], why: str) -> None:
    answer = plugin.split_modules(eo.Component("tts", "acoustic", "tacotron2", conf))
    assert isinstance(answer, eo.Declined)
    assert why in answer.reason
