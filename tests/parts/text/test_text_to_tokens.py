"""Text to ids, against ESPnet's `CommonPreprocessor`; and what it says of texts it cannot read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from espnet_onnx.errors import BundleError, InputError
from espnet_onnx.parts.text import TextToTokens

from .awkward import TEXTS, requires

SPECIAL = ["<blank>", "<unk>"]
LISTS = {
    "char": [*SPECIAL, "<space>", "<noise>", "<noise>s", ".", ",", *"abcdefgHELOWRD你好안녕，。"],
    "word": [*SPECIAL, "fox", "FOX", "에프오엑스", "quick", "and", "AND", "<noise>", "HH", "AH0"],
    "phn": [*SPECIAL, "HH", "AH0", "L", "OW1", "fox", "FOX", "에프오엑스", " ", "<noise>"],
}


@pytest.fixture(scope="module")
def bpemodel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bpe")
    (folder / "text").write_text("\n".join(t.strip() for t in TEXTS[3:14]), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"),
        model_prefix=str(folder / "bpe"),
        vocab_size=150,
        hard_vocab_limit=False,
        model_type="bpe",
        minloglevel=2,
    )
    return folder / "bpe.model"


def config_of(token_type: str, bpemodel: Path, cleaner: Any) -> dict[str, Any]:
    if token_type == "bpe":
        model = sentencepiece.SentencePieceProcessor(model_file=str(bpemodel))
        pieces = [model.id_to_piece(i) for i in range(len(model))]
        tokens = [*SPECIAL, *(p for p in pieces[:-20] if p not in ("<unk>", "<s>", "</s>"))]
    else:
        tokens = LISTS[token_type]
    return {"token_type": token_type, "token_list": tokens, "cleaner": cleaner, "g2p": None}


@pytest.mark.export
@pytest.mark.parametrize("token_type", ["char", "word", "phn", "bpe"])
@pytest.mark.parametrize(
    "cleaner",
    [
        None,
        "korean_cleaner",
        pytest.param("tacotron", marks=requires("tacotron_cleaner", "inflect", "unidecode")),
        pytest.param("jaconv", marks=requires("jaconv")),
        pytest.param(["jaconv", "korean_cleaner"], marks=requires("jaconv")),
        pytest.param("vietnamese", marks=requires("vietnamese_cleaner", "underthesea")),
    ],
)
def test_ids_as_espnet(
    token_type: str, cleaner: Any, bpemodel: Path, preprocessor: Callable[..., Any]
) -> None:
    config = config_of(token_type, bpemodel, cleaner)
    theirs = preprocessor(config, bpemodel=bpemodel)
    ours = TextToTokens.of(config, {"bpemodel": bpemodel})
    known = 0
    for text in TEXTS:
        ids = ours.ids(ours.tokens(text)).ids
        assert ids == theirs("<dummy>", {"text": text})["text"].tolist(), text
        known += len(ids) - ids.count(1)
    assert known > 20


@pytest.mark.export
def test_symbols_as_espnet(tmp_path: Path, preprocessor: Callable[..., Any]) -> None:
    path = tmp_path / "symbols"
    path.write_text("<noise>\n", encoding="utf-8")
    config = {"token_type": "char", "token_list": LISTS["char"]}
    theirs = preprocessor({**config, "non_linguistic_symbols": str(path)})
    ours = TextToTokens.of(config, {"non_linguistic_symbols": path})
    for text in TEXTS:
        found = ours.ids(ours.tokens(text)).ids
        assert found == theirs("<dummy>", {"text": text})["text"].tolist()
    assert ours("a<noise>") == [LISTS["char"].index("a"), LISTS["char"].index("<noise>")]


@pytest.mark.export
def test_symbols_file_that_is_gone_is_ignored_as_in_espnet(
    preprocessor: Callable[..., Any],
) -> None:
    config = {
        "token_type": "char",
        "token_list": LISTS["char"],
        "non_linguistic_symbols": "data/nlsyms.txt",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = preprocessor(config)
    text = "a<noise>"
    ids = theirs("<dummy>", {"text": text})["text"].tolist()
    assert TextToTokens.of(config, {})(text) == ids


def chars(text: str) -> Any:
    return TextToTokens.of({"token_type": "char", "token_list": LISTS["char"]}, {}).read(text)


def test_unknown_tokens_are_counted() -> None:
    found = chars("abxxa y")
    assert found.tokens == ["a", "b", "x", "x", "a", "<space>", "y"]
    assert found.unknown == {"x": 2, "y": 1}
    assert found.ids.count(1) == 3
    assert chars("abba").unknown == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty"),
        (" \n", "the text is empty"),
        ("мир", "'мир' has no token that the model knows .it became 'м и р'.: give a text in"),
        ("ж" * 2000, "^'ж{39}…' has no token"),
    ],
)
def test_text_without_a_known_token(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        chars(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_text_of_which_nothing_is_left() -> None:
    config = {"token_type": "char", "token_list": LISTS["char"], "cleaner": "tacotron"}
    with pytest.raises(InputError, match=r"nothing is left of '\(\[\]\)' to speak"):
        TextToTokens.of(config, {})("([])")


@requires("inflect")
@pytest.mark.parametrize("text", ["$,5 please", "9" * 80])
def test_text_that_a_package_cannot_read(text: str) -> None:
    config = {"token_type": "char", "token_list": LISTS["char"], "cleaner": "tacotron"}
    with pytest.raises(InputError, match=r"cannot be turned into tokens .*: write it in other"):
        TextToTokens.of(config, {})(text)


def test_tokens_by_hand() -> None:
    reader = TextToTokens.of({"token_type": "phn", "token_list": LISTS["phn"]}, {})
    assert reader.ids(["HH", "OW1", "XX"]).ids == [2, 5, 1]
    assert reader("HH OW1") == [2, 5]


def test_model_without_a_tokenizer() -> None:
    reader = TextToTokens.of({"token_type": None, "token_list": LISTS["phn"]}, {})
    with pytest.raises(InputError, match="no tokenizer to split text with; give token ids"):
        reader("HH")


def test_broken_symbols_file(tmp_path: Path) -> None:
    config = {"token_type": "char", "token_list": LISTS["char"]}
    with pytest.raises(BundleError, match="cannot be read as a list of symbols"):
        TextToTokens.of(config, {"non_linguistic_symbols": tmp_path / "none"})
