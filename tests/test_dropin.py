"""The calls of espnet_onnx 0.2.1, as its README shows them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

import espnet_onnx
from espnet_onnx.dropin import bundle_folder
from espnet_onnx.errors import InputError

from .tiny_models import TINY, changed, write_model

TAG = "kamo-naoyuki/tiny conformer"
SEARCH = {
    "beam_size": 3,
    "ctc_weight": 0.6,
    "penalty": 0.1,
    "maxlenratio": 0.5,
    "minlenratio": 0.0,
    "nbest": 2,
}


def speech() -> Any:
    return np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)


def live(folder: Path, **search: Any) -> Any:
    """ESPnet's own object, made from files as users make it."""
    from espnet2.bin.asr_inference import Speech2Text

    from espnet_onnx import loader

    # ESPnet itself reads only configs that hold every key.
    config = loader.complete_config(yaml.safe_load((folder / "config.yaml").read_text()), "asr")
    (folder / "full.yaml").write_text(yaml.safe_dump(config), "utf-8")
    return Speech2Text(str(folder / "full.yaml"), str(folder / "valid.acc.ave.pth"), **search)


@pytest.fixture(scope="module")
def cache(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the live model's export, fp32 and int8."""
    pytest.importorskip("espnet2")
    from espnet_onnx.export import ASRModelExport

    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ESPNET_ONNX_CACHE", str(folder))
        exporter = ASRModelExport()
        exporter.set_export_config(keep_slower=True)
        exporter.export(live(tiny_model, **SEARCH), TAG, quantize=True)
    return folder


@pytest.mark.export
def test_a_live_model_is_found_by_its_tag(
    cache: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPNET_ONNX_CACHE", str(cache))
    assert (cache / "kamo-naoyuki/tiny-conformer/manifest.json").is_file()
    nbest = espnet_onnx.Speech2Text(TAG)(speech())
    want = live(tiny_model, **SEARCH)(speech())
    assert len(nbest) == 2
    for (text, tokens, ids, hypothesis), (text_, tokens_, ids_, hypothesis_) in zip(
        nbest, want, strict=True
    ):
        assert (text, tokens, ids) == (text_, tokens_, list(map(int, ids_)))
        assert hypothesis.score == pytest.approx(float(hypothesis_.score), abs=1e-3)
        assert hypothesis.yseq.tolist() == hypothesis_.yseq.tolist()
        assert set(hypothesis.scores) == {"decoder", "ctc", "length_bonus"}


@pytest.mark.export
def test_quantised_and_other_settings(cache: Path) -> None:
    folder = bundle_folder(TAG, cache)
    quantised = espnet_onnx.Speech2Text(TAG, use_quantized=True, cache_dir=cache)
    assert quantised(speech())[0][0]
    assert len(espnet_onnx.Speech2Text(model_dir=folder, nbest=1)(speech())) == 1


@pytest.mark.export
def test_the_search_of_the_live_object_becomes_the_bundles(cache: Path) -> None:
    from espnet_onnx.bundle import read_manifest

    manifest = read_manifest(bundle_folder(TAG, cache))
    assert list(manifest.precisions) == ["fp32", "int8"]
    assert {name: manifest.decoding[name] for name in SEARCH} == SEARCH
    assert set(manifest.decoding) >= {"lm_weight", "normalize_length", "ctc_window_margin"}


@pytest.mark.export
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_settings_of_models_that_lack_a_scorer(tmp_path: Path, weight: float) -> None:
    from espnet_onnx import reference

    pytest.importorskip("espnet2")
    folder = write_model(tmp_path / "m", changed(model_conf={"ctc_weight": weight}))
    found = reference.settings(live(folder, ctc_weight=weight, beam_size=2))
    assert (found["ctc_weight"], found["beam_size"]) == (weight, 2)
    assert reference.settings(str(folder)) == {}


@pytest.mark.export
def test_a_live_model_with_a_language_model_is_refused(tmp_path: Path) -> None:
    from espnet_onnx.export import ASRModelExport

    search = SimpleNamespace(scorers={"decoder": object(), "lm": object()})
    speech2text = SimpleNamespace(beam_search=search)
    speech2text.asr_train_args = SimpleNamespace(**TINY)
    speech2text.asr_model = pytest.importorskip("torch").nn.Identity()
    with pytest.raises(InputError, match=r"no longer its config; pass lm=CONFIG:FILE"):
        ASRModelExport(tmp_path).export(speech2text, "tag")
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.export
def test_options_of_old_exporters_that_mean_nothing() -> None:
    from espnet_onnx.export import ASRModelExport

    with pytest.raises(InputError, match=r"export options max_seq_len do not exist: use decoding"):
        ASRModelExport().set_export_config(max_seq_len=5000)


def test_a_tag_or_a_folder_but_not_both() -> None:
    with pytest.raises(InputError, match="give either tag_name or model_dir"):
        espnet_onnx.Speech2Text()
    with pytest.raises(InputError, match="give either tag_name or model_dir"):
        espnet_onnx.Speech2Text("tag", model_dir="folder")
    with pytest.raises(InputError, match="leaves the cache folder"):
        espnet_onnx.Speech2Text("../../etc")
    with pytest.raises(InputError, match="no such bundle"):
        espnet_onnx.Speech2Text("never/exported")


def test_a_name_that_there_is_not_says_so() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Speech3Text'"):
        _ = espnet_onnx.Speech3Text
