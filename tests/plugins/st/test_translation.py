"""Whole st models beside ESPnet's own `st_inference.Speech2Text`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

from espnet_onnx import reference
from espnet_onnx.errors import InputError
from espnet_onnx.types import Array
from espnet_onnx_plugin_st.tiny import MODELS
from espnet_onnx_plugin_st.translation import Translation

from ..eager import eager, tiny

PLAIN, MULTI = (model.config for model in MODELS)
BEHIND = MULTI["md_encoder_conf"]
CTC = {"asr_weight": 0.3, "mtlalpha": 0.3, "st_mtlalpha": 0.3}
HIER = {"hier_encoder": "transformer", "hier_encoder_conf": BEHIND}
# name -> config, and the search settings to try
VARIANTS: dict[str, Any] = {
    "decoders_of_training": (
        {
            **PLAIN,
            "extra_mt_decoder": "transformer",
            "extra_mt_decoder_conf": PLAIN["extra_asr_decoder_conf"],
            "model_conf": {"asr_weight": 0.3, "mtlalpha": 1.0},
        },
        [{}],
    ),
    "hierarchical": ({**PLAIN, **HIER, "model_conf": CTC}, [{}, {"ctc_weight": 0.3}]),
    "speech_attention": (
        {**MULTI, **HIER, "decoder_conf": {**MULTI["decoder_conf"], "num_blocks": 2}},
        [{}, {"ctc_weight": 0.3, "asr_ctc_weight": 0.5}],
    ),
    "no_speech_attention": (
        {**MULTI, "decoder": "transformer"},
        [{"ctc_weight": 0.3}, {"asr_maxlenratio": -2, "penalty": 0.5}],
    ),
}


@pytest.fixture(scope="module", params=VARIANTS)
def pair(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    config, decodings = VARIANTS[request.param]
    loaded = tiny(config, tmp_path_factory.mktemp(request.param), "st")
    return loaded, eager(loaded), decodings


def inputs() -> list[Array]:
    rng = np.random.default_rng(1)
    return [rng.normal(0, 0.1, n).astype(np.float32) for n in (1800, 5000, 2500)]


@pytest.mark.parametrize("beam", [1, 5])
def test_answers_are_those_of_espnet(pair: Any, beam: int) -> None:
    loaded, ours, decodings = pair
    for decoding in decodings:
        options = {"beam_size": beam, "nbest": beam, "maxlenratio": 0.5, **decoding}
        if hasattr(ours.decoding, "asr_beam_size"):
            options |= {"asr_beam_size": beam, "asr_nbest": beam}
        espnet = reference.Recogniser(loaded, **options).speech2text
        for samples, result in zip(inputs(), ours.batch(inputs(), **options), strict=True):
            answer = espnet(samples)
            nbest, heard = answer if isinstance(answer, tuple) else (answer, None)
            same(result, nbest)
            assert isinstance(result, Translation) == (heard is not None)
            if heard is not None:
                same(result.transcript, heard[:beam])
            alone = ours(samples, **options)
            assert (alone.ids, alone.text) == (result.ids, result.text)


def same(result: Any, nbest: Any) -> None:
    assert [h.ids for h in result.nbest] == [tuple(map(int, r[2])) for r in nbest]
    assert [h.tokens for h in result.nbest] == [tuple(r[1]) for r in nbest]
    assert [h.text for h in result.nbest] == [r[0] for r in nbest]
    scores = [float(r[3].score) for r in nbest]
    np.testing.assert_allclose([h.score for h in result.nbest], scores, atol=1e-3)


def test_espnet_scores_an_answer_from_two_sources_as_its_search_did(tmp_path: Path) -> None:
    config, decodings = VARIANTS["speech_attention"]
    options = {"beam_size": 5, "nbest": 9, "maxlenratio": -18, "penalty": -6.0, **decodings[1]}
    espnet = reference.Recogniser(tiny(config, tmp_path, "st"), **options)
    samples = inputs()[1]
    nbest, _ = espnet.speech2text(samples)
    # A hypothesis that the search cut off has no score for <eos>, an impossible one a huge one.
    ended = [hyp for *_, hyp in nbest if len(hyp.yseq) < 19 and float(hyp.score) > -1e6]
    assert ended
    for hyp in ended:
        score = espnet.score(samples, hyp.yseq[1:-1].tolist())
        assert score == pytest.approx(float(hyp.score), abs=1e-3)
    want = espnet(samples)
    assert reference.same_answer(espnet, samples, want.ids, want) == "same"
    assert reference.same_answer(espnet, samples, [*want.ids, 3], want) == "different"


def test_ctc_alone_is_what_a_model_without_a_decoder_has(tmp_path: Path) -> None:
    """ESPnet's class fails there: its pre-beam takes CTC's candidates from scores of nobody."""
    weights = {"asr_weight": 0.0, "st_mtlalpha": 1.0}
    loaded = tiny({**PLAIN, "model_conf": weights}, tmp_path, "st")
    ours = eager(loaded)
    assert ours.decoding.ctc_weight == 1
    espnet = reference.Recogniser(loaded, beam_size=5, ctc_weight=1.0, maxlenratio=0.5).speech2text
    search = espnet.beam_search
    assert (search.do_pre_beam, list(search.full_scorers)) == (True, [])
    search.do_pre_beam = False
    for samples in inputs():
        same(ours(samples, beam_size=5, maxlenratio=0.5), espnet(samples))
    with pytest.raises(InputError, match="no attention decoder"):
        ours(inputs()[0], ctc_weight=0)


def test_a_minlenratio_beyond_reach_is_searched_again(tmp_path: Path) -> None:
    """With 0.1 less, as in ESPnet, whose 202511 then forgets the speech and fails."""
    loaded = tiny(MULTI, tmp_path, "st")
    options = {"beam_size": 2, "maxlenratio": -6, "minlenratio": 0.35}
    answers = eager(loaded).batch(inputs(), **options)
    for samples, less, result in zip(inputs(), (0, 0.1, 0), answers, strict=True):
        reachable = {**options, "minlenratio": options["minlenratio"] - less}
        same(result, reference.Recogniser(loaded, **reachable).speech2text(samples)[0])


def test_settings_of_a_live_object_are_followed(tmp_path: Path) -> None:
    loaded = tiny(MULTI, tmp_path, "st")
    chosen = {"beam_size": 7, "ctc_weight": 0.25, "asr_beam_size": 4, "asr_ctc_weight": 0.6}
    live = reference.Recogniser(loaded, **chosen).speech2text
    found = reference.settings(live)
    assert {name: found[name] for name in chosen} == chosen
    with pytest.raises(InputError, match="beam_size=0"):
        eager(loaded)(inputs()[0], asr_beam_size=0)
