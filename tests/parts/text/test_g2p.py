"""Grapheme to phoneme, against ESPnet's `PhonemeTokenizer` where the packages are installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from espnet_onnx.errors import BundleError, InputError
from espnet_onnx.parts.text import G2P_CHOICES, TextToTokens
from espnet_onnx.parts.text.g2p import load_g2p

from .awkward import TEXTS, requires

Check = Callable[..., None]
WORDS = [text for text in TEXTS if text.strip()]
SHORT = [text for text in WORDS if len(text) < 200]


def named(prefix: str) -> list[str]:
    return [name for name in G2P_CHOICES if name and name.startswith(prefix)]


@pytest.mark.export
def test_choices_are_espnets() -> None:
    from espnet2.text.phoneme_tokenizer import g2p_choices

    # ESPnet builds the last, though its command line does not offer it, and not Ukrainian.
    assert {*g2p_choices, "g2p_is_north"} - {"espeak_ng_ukrainian"} == set(G2P_CHOICES)


@pytest.mark.export
@pytest.mark.parametrize("g2p", [None, "korean_jaso", "korean_jaso_no_space"])
def test_without_packages(g2p: str | None, same_tokens: Check) -> None:
    if g2p and not find_spec("jamo"):
        pytest.skip("ESPnet needs jamo")
    same_tokens(g2p, TEXTS)


@pytest.mark.export
@requires("g2p_en", "nltk")
@pytest.mark.parametrize(("g2p", "texts"), [("g2p_en", SHORT), ("g2p_en_no_space", TEXTS)])
def test_english(g2p: str, texts: list[str], nltk_data: Path, same_tokens: Check) -> None:
    same_tokens(g2p, texts)


@requires("g2p_en", "nltk")
def test_english_reads_homographs_by_their_place(nltk_data: Path) -> None:
    said = load_g2p("g2p_en")("to refuse the refuse")
    verb, noun = "R IH0 F Y UW1 Z", "R EH1 F Y UW2 Z"
    assert " ".join(said) == f"T UW1   {verb}   DH AH0   {noun}"


@pytest.mark.export
@requires("pyopenjtalk")
@pytest.mark.parametrize("g2p", named("pyopenjtalk"))
def test_japanese(g2p: str, same_tokens: Check) -> None:
    same_tokens(g2p, WORDS if g2p == "pyopenjtalk" else SHORT)


@pytest.mark.export
@requires("pypinyin")
@pytest.mark.parametrize("g2p", named("pypinyin"))
def test_mandarin(g2p: str, same_tokens: Check) -> None:
    same_tokens(g2p, TEXTS)


@pytest.mark.export
@requires("phonemizer")
@pytest.mark.parametrize("g2p", named("espeak"))
def test_espeak(g2p: str, same_tokens: Check) -> None:
    ours = load_g2p(g2p)  # finds the library for ESPnet, too
    same_tokens(g2p, WORDS)
    assert ours("") == []  # at which ESPnet fails


@pytest.mark.export
@requires("g2pk", "mecab", "jamo")
@pytest.mark.parametrize("g2p", named("g2pk"))
def test_korean(g2p: str, nltk_data: Path, same_tokens: Check) -> None:
    same_tokens(g2p, [text for text in WORDS if "안녕" in text or text.isascii()])


@pytest.fixture
def icelandic(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A stand-in for ice-g2p, which needs fairseq; what it was asked for."""
    asked: list[dict[str, Any]] = []

    def transcriber(**options: Any) -> Any:
        asked.append(options)
        return SimpleNamespace(transcribe="  ".join)

    module = ModuleType("ice_g2p.transcriber")
    module.Transcriber = transcriber  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ice_g2p", ModuleType("ice_g2p"))
    monkeypatch.setitem(sys.modules, "ice_g2p.transcriber", module)
    return asked


@pytest.mark.export
@pytest.mark.parametrize("g2p", named("g2p_is"))
def test_icelandic(g2p: str, icelandic: list[dict[str, Any]], same_tokens: Check) -> None:
    same_tokens(g2p, TEXTS)
    ours, theirs = icelandic
    assert ours == theirs


@pytest.mark.parametrize(
    ("module", "g2p", "wanted"),
    [
        ("pyopenjtalk", "pyopenjtalk_prosody", r"'espnet-onnx\[text-ja\]'"),
        ("pypinyin", "pypinyin_g2p", r"'espnet-onnx\[text-zh\]'"),
        ("nltk", "g2p_en_no_space", r"'espnet-onnx\[text-en\]'"),
        ("nltk", "g2pk", r"'espnet-onnx\[text-ko\]'"),
        ("phonemizer", "espeak_ng_german", r"'espnet-onnx\[text-espeak\]'"),
        ("ice_g2p", "g2p_is", "ice-g2p"),
    ],
)
def test_missing_package_names_what_to_install(
    module: str, g2p: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    reader = TextToTokens.of({"token_type": "phn", "token_list": ["<unk>"], "g2p": g2p}, {})
    with pytest.raises(InputError, match=f"needs {module} .*pip install {wanted}"):
        reader("hello")


@requires("nltk", "g2p_en")
def test_missing_data_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setattr(nltk, "download", pytest.fail)
    with pytest.raises(InputError, match="downloader averaged_perceptron_tagger_eng cmudict"):
        load_g2p("g2p_en")


@requires("pyopenjtalk")
def test_missing_dictionary_is_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import pyopenjtalk

    monkeypatch.setattr(pyopenjtalk, "OPEN_JTALK_DICT_DIR", str(tmp_path / "no").encode())
    with pytest.raises(InputError, match="needs Open JTalk's dictionary"):
        load_g2p("pyopenjtalk")


def test_unknown_choice() -> None:
    config = {"token_type": "phn", "token_list": ["<unk>"], "g2p": "espeak_ng_ukrainian"}
    with pytest.raises(BundleError, match="'espeak_ng_ukrainian' is unknown; there are None, g2p"):
        TextToTokens.of(config, {})
