"""Language models and n-grams beside a model: how they are named, found and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from espnet_onnx.errors import InputError, ModelError

from .tiny_models import TINY, write_model

pytestmark = pytest.mark.export
pytest.importorskip("torch")

from espnet_onnx import loader, sources
from espnet_onnx.companions import Companions
from espnet_onnx.testing import TinyModel
from espnet_onnx.testing.specimen import write_model as write_lm

LM: dict[str, Any] = {
    "token_list": TINY["token_list"],
    "token_type": "char",
    "lm": "seq_rnn",
    "lm_conf": {"unit": 8, "nlayers": 1},
}


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("espnet2")
    return write_lm(TinyModel("lm", LM), tmp_path_factory.mktemp("companions") / "lm")


def changed_lm(model: Path, folder: Path, **changes: Any) -> str:
    """CONFIG:FILE of the language model with another config."""
    folder.mkdir(exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({**LM, **changes}))
    return f"{config}:{model / 'valid.acc.ave.pth'}"


def test_a_language_model_is_named_in_three_ways(lm: Path, tmp_path: Path) -> None:
    loaded = loader.load_model(sources.find(lm), "lm")
    weights = lm / "valid.acc.ave.pth"
    for name in (lm, str(lm), weights, f"{lm / 'config.yaml'}:{weights}", loaded):
        found = Companions.of(name).load()
        assert isinstance(found.lm, loader.Loaded)
        child = found.components(TINY)["lm"]
        assert (child.role, child.type, child.conf["nlayers"]) == ("lm", "seq_rnn", 1)
        assert child.module is found.lm.model.lm
        assert found.inference == {"lm": found.lm}


def test_a_config_alone_gives_the_component(lm: Path) -> None:
    child = Companions.of(lm).components(TINY)["lm"]
    assert (child.module, child.given["vocab_size"]) == (None, 8)


def test_a_packs_models_are_taken_unless_told_otherwise(lm: Path, tmp_path: Path) -> None:
    ngram = tmp_path / "x.arpa"
    ngram.write_text("\\data\\\n")
    extra = {
        "lm_train_config": lm / "config.yaml",
        "lm_file": lm / "valid.acc.ave.pth",
        "ngram_file": ngram,
        "word_lm_file": ngram,
    }
    found = Companions.of(extra=extra)
    assert isinstance(found.lm, sources.Source) and found.lm.weights == extra["lm_file"]
    assert (found.ngram, found.left) == (ngram, ("word_lm_file",))
    assert list(found.components(TINY)) == ["lm", "ngram"]
    for nothing in (False, "none"):
        assert Companions.of(nothing, nothing, extra).components(TINY) == {}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"token_list": [*TINY["token_list"], "E"]}, "has 9 tokens, the model 8"),
        (
            {"token_list": [*TINY["token_list"][:3], "Z", *TINY["token_list"][4:]]},
            "calls token 3 'Z', the model 'A'",
        ),
    ],
)
def test_another_vocabulary_is_refused(changes: Any, says: str, lm: Path, tmp_path: Path) -> None:
    found = Companions.of(changed_lm(lm, tmp_path, **changes))
    with pytest.raises(ModelError, match=f"language model: {says}.*--lm none") as caught:
        found.components(TINY)
    assert "\n" not in str(caught.value)


def test_a_token_list_in_a_file(lm: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("\n".join(TINY["token_list"]) + "\n")
    named = changed_lm(lm, tmp_path, token_list="tokens.txt")
    assert list(Companions.of(named).load().components(TINY)) == ["lm"]
    (tmp_path / "tokens.txt").write_text("\n".join(TINY["token_list"][:-1]) + "\n")
    with pytest.raises(ModelError, match="has 7 tokens"):
        Companions.of(named).components(TINY)


def test_what_is_no_language_model_is_refused(lm: Path, tmp_path: Path) -> None:
    asr = write_model(tmp_path / "asr")
    for name, says in (
        (asr, "is a model of the task asr, not a language model"),
        (f"{lm / 'config.yaml'}:{tmp_path / 'gone.pth'}", r"gone.pth: no such file"),
        (tmp_path / "gone", "gone: no such file or folder"),
    ):
        with pytest.raises(ModelError, match=says):
            Companions.of(name)
    with pytest.raises(ModelError, match=r"x.arpa: no such file.*n-gram"):
        Companions.of(ngram=tmp_path / "x.arpa")


def test_an_export_is_refused_before_the_work(
    lm: Path, tiny_model: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    other = changed_lm(lm, tmp_path / "other", token_list=["<unk>", "a"])
    code, out, err = run("export", tiny_model, "-o", tmp_path / "b", "--lm", other)
    assert (code, out) == (2, "") and "language model: has 2 tokens" in err
    opt = changed_lm(lm, tmp_path / "opt", lm="transformer_opt", lm_conf={})
    code, _, err = run("export", tiny_model, "-o", tmp_path / "b", "--lm", opt)
    assert code == 2 and "lm (role lm, type transformer_opt) is not supported" in err
    assert not (tmp_path / "b").exists()


def test_a_live_search_brings_its_ngram_and_needs_its_language_model_named(
    lm: Path, tiny_model: Path, tmp_path: Path
) -> None:
    pytest.importorskip("kenlm", reason="needs the ngram extra")
    from espnet_onnx_plugin_lm.tiny import arpa

    arpa(tmp_path / "x.arpa")
    loaded = loader.load_model(sources.find(tiny_model))
    helpers = Companions.of(lm, tmp_path / "x.arpa").load()
    live = loader.inference(loaded, beam_size=2, **helpers.inference)
    with pytest.raises(InputError, match=r"no longer its config.*lm=False"):
        loader.from_live(live, task="asr")
    assert loader.from_live(live, task="asr", lm=False).model is loaded.model
    beside = Companions.beside(live, lm)
    assert beside.ngram == tmp_path / "x.arpa" and beside.lm is not None
    assert Companions.beside(live, False, False) == Companions()
    part = loader.inference(loaded, ngram_scorer="part", ngram_file=str(tmp_path / "x.arpa"))
    with pytest.raises(ModelError, match="ngram_scorer part"):
        Companions.beside(part)
