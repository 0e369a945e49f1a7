"""Models that cannot be exported, or not so: exit code 2 and a line; nothing is written."""

from __future__ import annotations

import errno
import importlib.util
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from espnet_onnx.errors import CheckFailed

from ..tiny_models import TINY, changed
from .inputs import Run, empty_folder, plain_file

pytestmark = pytest.mark.export


def model(folder: Path, config: Any = TINY, **files: Any) -> Path:
    """A model folder without weights that fit."""
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    for name, content in files.items():
        (folder / f"{name}.pth").write_bytes(content)
    return folder


def with_weights(folder: Path, tiny_model: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    import torch

    state = torch.load(tiny_model / "valid.acc.ave.pth", weights_only=True)
    change(state)
    torch.save(state, model(folder) / "model.pth")
    return folder


def with_code(folder: Path) -> Path:
    import torch

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (folder / "ran",))

    torch.save({"x": Evil()}, model(folder) / "model.pth")
    return folder


def climbing_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.yaml", "{}")
        archive.writestr("../evil", "x")
    return path


SINGER = {"svs": "xiaoice", "svs_conf": {}, "token_list": ["a"], "feats_extract": "fbank"}

MODELS: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "missing": (lambda p: p, ["no such file or folder"]),
    "empty_folder": (empty_folder, ["has neither meta.yaml nor config.yaml"]),
    "no_zip": (plain_file, ["is not a zip"]),
    "climbing_zip": (climbing_zip, ["../evil", "leads out of the folder"]),
    "no_weights": (model, ["has a config but no weights"]),
    "unknown_encoder": (
        lambda p: model(p, changed(encoder="megaformer"), model=b"x"),
        ["encoder (role encoder, type megaformer) is claimed by no plugin", "asked: asr_transf"],
    ),
    "svs": (
        lambda p: model(p, SINGER, model=b"x"),
        ["role model, type svs", "claimed by no plugin", "asked: asr_transformer"],
    ),
    "broken_config": (lambda p: model(p, ["x"], model=b"x"), ["not a mapping"]),
    "damaged_weights": (lambda p: model(p, model=b"damaged"), ["damaged or not a checkpoint"]),
    "empty_weights": (lambda p: model(p, model=b""), ["is empty"]),
    "code_in_weights": (with_code, ["would run code when read", "refused"]),
}


@pytest.mark.parametrize("kind", MODELS)
def test_model(
    kind: str,
    refused: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("ESPNET_ONNX_CACHE", str(tmp_path_factory.mktemp("cache")))
    make, whys = MODELS[kind]
    line = refused("export", make(tmp_path / "m"), "-o", tmp_path / "b")
    assert [why for why in whys if why not in line] == []


def test_weights_that_do_not_fit(
    refused: Callable[..., str], tmp_path: Path, tiny_model: Path
) -> None:
    key = "ctc.ctc_lo.bias"
    for n, (change, why) in enumerate(
        (
            (lambda state: state.pop(key), f"lacks 1 key ({key})"),
            (lambda state: state.update(mine=state[key]), "has unknown 1 key (mine)"),
            (lambda state: state.update({key: state[key][:3]}), f"{key} has shape [3]"),
        )
    ):
        folder = with_weights(tmp_path / f"m{n}", tiny_model, change)
        assert why in refused("export", folder, "-o", tmp_path / "b")


OPTIONS = {
    "--precision fp16": "precision fp16: use fp32, int8 or both",
    "--task singing": "task 'singing' is unknown; --task takes one of aqa, asr, ",
    "--prefer mega": "no plugin is called 'mega'; installed: asr_transformer, ",
    "--without mega": "no plugin is called 'mega'",
    "--role vocoder": "no component of role 'vocoder': it has ctc, decoder, ",
}


@pytest.mark.parametrize("options", OPTIONS)
def test_export_option(
    options: str, refused: Callable[..., str], tmp_path: Path, tiny_model: Path
) -> None:
    line = refused("export", tiny_model, "-o", tmp_path / "b", *options.split())
    assert OPTIONS[options] in line


COMPANIONS = {
    "--lm lm": "has 2 tokens, the model 8: give one of the model's own vocabulary",
    "--lm lm/config.yaml": "config.yaml: is a config without weights: give ",
    "--lm lm/config.yaml:none.pth": "none.pth: no such file, which the language model needs",
    "--lm lm/config.yaml:": "lm/config.yaml:: no such file or folder",
    "--lm none.yaml:lm/x.pth": "none.yaml: no such file, which the language model needs",
    "--ngram none.arpa": "none.arpa: no such file: give the n-gram's ARPA file or kenlm binary",
    "--ngram lm/config.yaml": "config.yaml: is no n-gram: give an ARPA file or a kenlm binary",
}


@pytest.mark.parametrize("options", COMPANIONS)
def test_companion(
    options: str,
    refused: Callable[..., str],
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = ["a", "b"] if options == "--lm lm" else TINY["token_list"]
    config = {"token_list": tokens, "lm": "seq_rnn", "lm_conf": {"unit": 8}}
    model(tmp_path / "lm", config)
    monkeypatch.chdir(tmp_path)
    line = refused("export", tiny_model, "-o", tmp_path / "b", *options.split())
    assert COMPANIONS[options] in line


def test_output_that_cannot_be_written(
    refused: Callable[..., str], tmp_path: Path, tiny_model: Path
) -> None:
    folder, file = empty_folder(tmp_path / "folder"), plain_file(tmp_path / "file")
    assert "exists: give another name or --overwrite" in refused("export", tiny_model, "-o", folder)
    assert "exists: give another name" in refused("export", tiny_model, "-o", file, "--overwrite")
    assert "cannot be written" in refused("export", tiny_model, "-o", file / "b")


def test_export_without_the_extra(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a)
    )
    for command in (
        ["export", "m", "-o", tmp_path / "b"],
        ["verify", tiny_bundle, "--against", "m"],
        ["demo"],
    ):
        line = refused(*command)
        assert line == "error: torch is not installed: install espnet-onnx with its export extra\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left"), 2, "writing failed (No space left): nothing is l"),
        (CheckFailed("parity failed: encoder"), 1, "error: parity failed: encoder"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_export_that_ends_early_leaves_nothing(
    run: Run,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    said: str,
) -> None:
    from espnet_onnx import export

    def write_node(claim: Any, builder: Any) -> None:
        (builder.folder / "half").touch()
        raise error

    monkeypatch.setattr(export, "_write_node", write_node)
    ended, out, err = run("export", tiny_model, "-o", tmp_path / "b")
    assert (ended, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
