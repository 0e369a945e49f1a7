"""Whole mt models beside ESPnet's own `mt_inference.Text2Text`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

from espnet_onnx import reference
from espnet_onnx.errors import InputError
from espnet_onnx_plugin_mt.tiny import MODELS

from ..eager import eager, tiny

MT, DISCRETE = (model.config for model in MODELS)
EMBED = {"frontend": "embed", "frontend_conf": {"embed_dim": 32}}
# name -> config, and the search settings to try
VARIANTS: dict[str, Any] = {
    "mt": (MT, [{"ctc_weight": 0.0}]),
    "discrete_units": (
        {**DISCRETE, **EMBED, "model_conf": {"ctc_weight": 0.3}},
        [{}, {"ctc_weight": 0.0, "penalty": 0.5}, {"ctc_weight": 1.0}],
    ),
    "patches": (DISCRETE, [{"ctc_weight": 0.3}]),
    "self_conditioned": (
        {
            **DISCRETE,
            **EMBED,
            "encoder": "e_branchformer",
            "encoder_conf": {
                "input_layer": "conv1d2",
                "output_size": 32,
                "attention_heads": 2,
                "cgmlp_linear_units": 32,
                "linear_units": 32,
                "cgmlp_conv_kernel": 3,
                "num_blocks": 2,
                "interctc_layer_idx": [1],
                "interctc_use_conditioning": True,
            },
        },
        [{"ctc_weight": 0.3}],
    ),
}
TEXTS = (
    "0 1 2 3 4 5 6 7 8 9 10 11 12",
    "19 18 17 nobody 3 3 3",
    "5 5 12 0 7 13 2 9 9 9 1 0 4 8 unheard 17 3 3 2 1 11",
)


@pytest.fixture(scope="module", params=VARIANTS)
def pair(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    config, decodings = VARIANTS[request.param]
    loaded = tiny(config, tmp_path_factory.mktemp(request.param), "mt")
    return loaded, eager(loaded), decodings


def preprocessed(loaded: Any, text: str) -> Any:
    """The ids that ESPnet's own preprocessor makes of a source text."""
    from espnet2.tasks.mt import MTTask

    preprocess = MTTask.build_preprocess_fn(argparse.Namespace(**loaded.config), False)
    return preprocess("one", {"src_text": text})["src_text"]


@pytest.mark.parametrize("beam", [1, 5])
def test_answers_are_those_of_espnet(pair: Any, beam: int) -> None:
    loaded, ours, decodings = pair
    for decoding in decodings:
        # An uneven end: a hypothesis that is cut off may hold an <eos>, which ESPnet drops.
        options = {"beam_size": beam, "nbest": beam, "maxlenratio": 0.7, **decoding}
        espnet = reference.Recogniser(loaded, **options).speech2text
        for text, result in zip(TEXTS, ours.batch(TEXTS, **options), strict=True):
            want = espnet(preprocessed(loaded, text))
            assert [h.ids for h in result.nbest] == [tuple(map(int, r[2])) for r in want]
            assert [h.text for h in result.nbest] == [r[0] for r in want]
            scores = [float(r[3].score) for r in want]
            np.testing.assert_allclose([h.score for h in result.nbest], scores, atol=1e-3)
            alone = ours(text, **options)
            assert (alone.ids, alone.text) == (result.ids, result.text)


def test_source_text_becomes_the_ids_of_espnet(pair: Any) -> None:
    loaded, ours, _ = pair
    for text in TEXTS:
        (ids,) = ours.read(text)
        assert ids.tolist() == preprocessed(loaded, text).tolist()
        assert ours.read(ids.tolist())[0].tolist() == ids.tolist()


def test_defaults_are_those_of_espnet_where_those_work(pair: Any) -> None:
    """`Text2Text` asks for CTC at weight 0.5, which no model of type `mt` has."""
    loaded, ours, _ = pair
    has_ctc = getattr(loaded.model, "ctc", None) is not None
    assert (ours.decoding.ctc_weight, ours.decoding.ctc_window_margin) == (0.5 * has_ctc, 0)
    if has_ctc:
        live = reference.Recogniser(loaded).speech2text
        settings = {k: v for k, v in vars_of(ours).items() if k in reference.settings(live)}
        assert settings == reference.settings(live)
    else:
        with pytest.raises(Exception, match="ctc"):
            reference.Recogniser(loaded)


def vars_of(ours: Any) -> dict[str, Any]:
    import attrs

    return attrs.asdict(ours.decoding)


def test_a_file_holds_a_text(pair: Any, tmp_path: Path) -> None:
    ours = pair[1]
    path = tmp_path / "source.txt"
    path.write_text(TEXTS[0] + "\n", "utf-8")
    assert ours.read(path)[0].tolist() == ours.read(TEXTS[0])[0].tolist()
    with pytest.raises(InputError, match=r"nothing\.txt: cannot be read"):
        ours(tmp_path / "nothing.txt")


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return eager(tiny(DISCRETE, tmp_path_factory.mktemp("bad"), "mt"))


def test_what_cannot_be_translated_is_said(translator: Any) -> None:
    with pytest.raises(InputError, match="the text is empty"):
        translator("")
    with pytest.raises(InputError, match="float is no text"):
        translator(3.5)
    with pytest.raises(InputError, match="list is no text"):
        translator([0.5, 1.5])
    with pytest.raises(InputError, match="token ids go from 0 to 22"):
        translator([1, 23, 3])
    with pytest.raises(InputError, match="the text has 4 tokens, and 2 make a frame"):
        translator([1, 2, 3, 4])
    with pytest.raises(InputError, match="no search setting is called 'beam'"):
        translator("1 2 3", beam=3)


def test_a_text_too_short_for_the_encoder_is_said(tmp_path: Path) -> None:
    config, _ = VARIANTS["self_conditioned"]
    ours = eager(tiny(config, tmp_path, "mt"))
    with pytest.raises(InputError, match=r"a text is too short: 3 feature frames.*longer texts"):
        ours.batch([TEXTS[0], "1 2"])
