"""Transformer-TTS against ESPnet's own, on tiny random models of every variant.

Shapes: B utterances, U tokens, S frames so far, L layers and P units of the prenet.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import espnet_onnx as eo
import espnet_onnx_plugin_transformer_tts as plugin
from espnet_onnx.errors import InputError
from espnet_onnx.types import Array
from espnet_onnx_plugin_transformer_tts.tiny import MODELS, SIZES, STYLE, TTS

from ..frame_models import Opened, RowNoise, controls_of, espnet_says, inputs_of

pytestmark = pytest.mark.export

VARIANTS: dict[str, dict[str, Any]] = {
    "published": MODELS[0].config["tts_conf"],
    "voices": {
        **SIZES,
        "use_scaled_pos_enc": False,
        "encoder_normalize_before": False,
        "decoder_normalize_before": False,
        "decoder_concat_after": True,
        "positionwise_layer_type": "conv1d-linear",
        "positionwise_conv_kernel_size": 3,
        "dprenet_dropout_rate": 0.3,
        "reduction_factor": 2,
        "spks": 3,
        "langs": 2,
        "spk_embed_dim": 6,
        "spk_embed_integration_type": "concat",
        **STYLE,
    },
    "bare": {
        **SIZES,
        "eprenet_conv_layers": 0,
        "dprenet_layers": 0,
        "postnet_layers": 0,
        "encoder_concat_after": True,
    },
}
LENGTHS = np.array([7, 3, 13], np.int64)
LIMITS = {"minlenratio": 0.5, "maxlenratio": 5.0}


@pytest.fixture(scope="module", params=VARIANTS)
def opened(request: pytest.FixtureRequest) -> Opened:
    return Opened(plugin, {**TTS, "tts_conf": VARIANTS[request.param]})


def texts(opened: Opened) -> Array:
    """(B, U)."""
    return np.random.default_rng(0).integers(1, opened.live.idim - 1, (3, 13))


def test_every_graph_equals_espnet(opened: Opened) -> None:
    assert max(opened.differences.values()) < 1e-4, opened.differences


@pytest.mark.parametrize("forced", [False, True], ids=["free", "forced"])
def test_a_ragged_batch_speaks_as_espnet_speaks_each(opened: Opened, forced: bool) -> None:
    tokens, controls = texts(opened), controls_of(opened.live, 3)
    rows = [tokens[i, :n] for i, n in enumerate(LENGTHS)]
    options: dict[str, Any] = {"use_teacher_forcing": True}
    if not forced:
        # One that ends some before their time.
        never = espnet_says(opened, rows[2], 2, controls, threshold=2.0, **LIMITS)["prob"]
        options = {**LIMITS, "threshold": float(np.quantile(never, 0.97))}
    spoken = opened.speaker(tokens, LENGTHS, {**controls, **options}, RowNoise())
    assert ("prob" in spoken.details) is not forced
    for i, row in enumerate(rows):
        wanted = espnet_says(opened, row, i, controls, **options)
        assert spoken.lengths[i] == len(wanted["feat_gen"])
        got = spoken.feats[i, : spoken.lengths[i]]
        np.testing.assert_allclose(got, wanted["feat_gen"], atol=2e-4)
        if not forced:
            prob = spoken.details["prob"][i, : len(got)]
            np.testing.assert_allclose(prob, wanted["prob"], atol=1e-4)


def test_the_past_can_be_redrawn_as_espnet_does(opened: Opened) -> None:
    tokens, controls = texts(opened), controls_of(opened.live, 3)
    # The longest needs more slots than a cache begins with.
    options = {**LIMITS, "threshold": 2.0}
    kept = opened.speaker(tokens, LENGTHS, {**controls, **options}, RowNoise())
    redrawn = {**controls, **options, "redraw_past": True}
    spoken = opened.speaker(tokens, LENGTHS, redrawn, RowNoise())
    if opened.speaker.prenet.sizes is None:
        np.testing.assert_array_equal(spoken.feats, kept.feats)
        return
    assert np.abs(spoken.feats - kept.feats).max() > 1e-2
    for i, n in enumerate(LENGTHS):
        wanted = redrawing(opened, tokens[i, :n], i, controls, **options)
        got = spoken.feats[i, : spoken.lengths[i]]
        np.testing.assert_allclose(got, wanted, atol=2e-4)


def redrawing(opened: Opened, tokens: Array, row: int, controls: Any, **options: Any) -> Array:
    """ESPnet's `inference` with other draws of all frames so far at every step."""
    prenet, noise, calls = opened.speaker.prenet, RowNoise(), 0
    drawn: list[Array] = []

    def dropout(x: Any, p: float, training: bool = True, inplace: bool = False) -> Any:
        nonlocal calls
        if not training:
            return x
        step, layer = divmod(calls, prenet.sizes[0])
        calls += 1
        if layer == 0:
            drawn.append(prenet(noise, 1, step + 1)[0])
        assert x.shape[1] == step + 1
        return x * torch.from_numpy(drawn[step][:, layer])

    with torch.no_grad(), mock.patch.object(torch.nn.functional, "dropout", dropout):
        said = opened.live.inference(torch.as_tensor(tokens), **inputs_of(controls, row), **options)
    return said["feat_gen"].numpy()


def test_a_recording_to_follow_is_asked_for(opened: Opened) -> None:
    tokens, lengths = np.array([[1, 2]]), np.array([2])
    controls = {**controls_of(opened.live, 1), "use_teacher_forcing": True}
    factor = opened.live.reduction_factor
    short = {**controls, "speech": controls["speech"][: factor - 1]}
    if "speech" not in opened.speaker.needs:
        with pytest.raises(InputError, match="shorter than"):
            opened.speaker(tokens, lengths, short, RowNoise())
    del controls["speech"]
    with pytest.raises(InputError, match="speech"):
        opened.speaker(tokens, lengths, controls, RowNoise())


@pytest.mark.parametrize(
    ("conf", "why"),
    [
        ({"positionwise_layer_type": "none"}, "positionwise_layer_type none"),
        ({"postnet_filts": 4}, "postnet_filts 4"),
        ({"eprenet_conv_filts": 0}, "eprenet_conv_filts 0"),
        ({"dlayers": 0}, "dlayers 0"),
    ],
)
def test_what_espnet_cannot_speak_with_is_declined(conf: dict[str, Any], why: str) -> None:
    answer = plugin.split_modules(eo.Component("tts", "acoustic", "transformer", conf))
    assert isinstance(answer, eo.Declined)
    assert why in answer.reason
