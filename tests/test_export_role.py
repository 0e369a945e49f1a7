"""One component of a model as a bundle of its own, and what live objects may bring."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

import espnet_onnx
from espnet_onnx.errors import InputError, ModelError

from .tiny_models import TINY, changed, write_model

pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("espnet2")
    return write_model(tmp_path_factory.mktemp("model"), TINY)


def test_a_frontend_is_a_bundle_without_a_search(model: Path, tmp_path: Path) -> None:
    from espnet_onnx.export import export

    made = export(model, tmp_path / "frontend", role="frontend", threads=1)
    assert made.manifest.decoding == {}
    assert made.manifest.role == "frontend"
    extractor = espnet_onnx.load(made.bundle, threads=1)
    speech = np.zeros((2, extractor.sample_rate), np.float32)
    lengths = np.array([extractor.sample_rate, extractor.frontend.shortest])
    feats, frames = extractor.frontend(speech, lengths)
    assert len(feats) == 2 and frames[0] == feats.shape[1] > frames[1] > 0
    assert frames[0] == extractor.sample_rate // extractor.hop_length + 1
    np.testing.assert_array_equal(extractor(speech[0]), feats[0])
    assert extractor.width == feats.shape[2]


@pytest.mark.parametrize(("role", "have"), [(None, "beam_size, "), ("frontend", "none$")])
def test_settings_that_nothing_searches_by(
    role: str | None, have: str, model: Path, tmp_path: Path
) -> None:
    from espnet_onnx.export import export

    with pytest.raises(InputError, match=f"no setting is called beams; there are: {have}"):
        export(model, tmp_path / "b", role=role, decoding={"beams": 3}, threads=1)
    assert not list(tmp_path.iterdir())


def test_threads_are_checked_before_any_work(tmp_path: Path) -> None:
    from espnet_onnx.export import export

    with pytest.raises(InputError, match="threads is 0"):
        export("no-such-model", tmp_path / "b", threads=0)


def test_a_tokenizer_file_that_is_gone(tmp_path: Path) -> None:
    from espnet_onnx.export import export

    config = changed(token_type="bpe", bpemodel="data/gone.model")
    folder = write_model(tmp_path / "m", config)
    with pytest.raises(ModelError, match=r"gone.model: no such file, which the model needs as bpe"):
        export(folder, tmp_path / "b", threads=1)
    assert not (tmp_path / "b").exists()


def test_a_pack_with_a_language_model_says_that_it_stays_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from espnet_onnx.export import export

    folder = write_model(tmp_path / "m", TINY)
    meta = {
        "yaml_files": {"asr_train_config": "config.yaml", "lm_train_config": "lm.yaml"},
        "files": {"asr_model_file": "valid.acc.ave.pth", "lm_file": "lm.pth"},
    }
    (folder / "meta.yaml").write_text(yaml.safe_dump(meta))
    with caplog.at_level(logging.WARNING, "espnet_onnx"):
        export(folder, tmp_path / "b", role="ctc", threads=1)
    (line,) = [r.getMessage() for r in caplog.records if r.name == "espnet_onnx"]
    assert line.startswith("m: the bundle leaves out lm_file, lm_train_config of the pack")


@pytest.mark.parametrize("search", ["TimeSync", "Streaming"])
def test_a_live_object_that_searches_in_another_way(search: str) -> None:
    from espnet_onnx.reference import settings

    streaming = {"weights": {}, "set_streaming_config": print} if search == "Streaming" else {}
    live = SimpleNamespace(beam_search=type(search, (), streaming)())
    with pytest.raises(InputError, match=f"searches with {search}, which bundles do not"):
        settings(live)
