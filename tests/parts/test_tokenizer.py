"""Tokenizers: text, ids and word groups, compared with ESPnet's own where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from espnet_onnx.errors import BundleError, InputError
from espnet_onnx.parts.tokenizer import TOKEN_TYPES, Tokenizer, build_tokenizer

SPECIAL = ["<blank>", "<unk>"]
CHARS = [*SPECIAL, "<space>", "<noise>", "<noise>s", "é", "ü", "'", *"abcdefghijklmnop", "你", "好"]
WORDS = [*SPECIAL, "hello", "world", "<noise>", "naïve", "new york", "it's"]
PHONES = [*SPECIAL, "<space>", "HH", "AH0", "L", "OW1", "sil", "<noise>"]
LINES = ["hello world", "naïve café here", "one two three", "<noise> yes no", "it's one"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bpe")
    (folder / "text").write_text("\n".join(LINES * 20), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"),
        model_prefix=str(folder / "bpe"),
        vocab_size=320,
        hard_vocab_limit=False,
        model_type="bpe",
        byte_fallback=True,
        user_defined_symbols=["<noise>"],
        minloglevel=2,
    )
    return folder / "bpe.model"


@pytest.fixture(scope="module")
def pieces(model: Path) -> list[str]:
    """The token list as a recipe makes it: special symbols around the model's own pieces."""
    trained = sentencepiece.SentencePieceProcessor(model_file=str(model))
    inner = [trained.id_to_piece(i) for i in range(len(trained))]
    return [*SPECIAL, *(p for p in inner if p not in ("<unk>", "<s>", "</s>")), "<sos/eos>"]


@pytest.fixture(scope="module")
def bpe(model: Path, pieces: list[str]) -> Tokenizer:
    return build_tokenizer({"token_type": "bpe", "token_list": pieces}, {"bpemodel": model})


def build(token_type: str | None, token_list: Sequence[str], **options: Any) -> Tokenizer:
    return build_tokenizer({"token_type": token_type, "token_list": token_list, **options}, {})


def espnet_text() -> tuple[Any, Any]:
    """ESPnet's `build_tokenizer` and `TokenIDConverter`."""
    pytest.importorskip("torch")
    from espnet2.text.build_tokenizer import build_tokenizer as build_theirs
    from espnet2.text.token_id_converter import TokenIDConverter

    return build_theirs, TokenIDConverter


def word_texts(tokenizer: Tokenizer, tokens: Sequence[str]) -> list[str | None]:
    return [
        (tokenizer.tokens2text([tokens[i] for i in group]) or "").strip()
        for group in tokenizer.words(tokens)
    ]


def cases(pieces: list[str], bpe: Tokenizer) -> dict[str, list[list[str]]]:
    """Awkward token sequences by token type."""
    return {
        "bpe": [
            [],
            ["<unk>"],
            ["<noise>", "<unk>", "▁", "<sos/eos>"],
            ["▁not", "seen"],
            bpe.text2tokens("naïve café"),
            bpe.text2tokens("hello 你好 x")[:-2],
            [*bpe.text2tokens("one"), "<unk>", *bpe.text2tokens("<noise>two")],
            pieces,
        ],
        "char": [
            [],
            ["<space>"],
            ["<space>", "a", "<space>", "<space>", "<unk>", "é", "<noise>", "<sos/eos>"],
            CHARS,
        ],
        "word": [[], ["<unk>", "hello"], ["new york", "<noise>", "naïve"], WORDS],
        "phn": [[], ["HH", "AH0", "<space>", "L"], [" ", "<unk>"], PHONES],
    }


@pytest.mark.export
def test_text_equals_espnets(model: Path, pieces: list[str], bpe: Tokenizer) -> None:
    build_theirs, _ = espnet_text()
    lists = {"bpe": pieces, "char": CHARS, "word": WORDS, "phn": PHONES}
    for token_type, sequences in cases(pieces, bpe).items():
        path = str(model) if token_type == "bpe" else None
        theirs = build_theirs(token_type=token_type, bpemodel=path)
        ours = bpe if token_type == "bpe" else build(token_type, lists[token_type])
        for tokens in sequences:
            assert ours.tokens2text(tokens) == theirs.tokens2text(tokens), (token_type, tokens)


TEXTS = {
    "bpe": ["", " ", "hello world", " naïve  <noise>", "unseen 你好 ⁇", "<unk>"],
    "char": ["", " ", "a b", "  é <noise>s<noise> <unk>", "ZZ 你好"],
    "word": ["", " hello  world", "it's naïve <noise> unseen"],
    "phn": ["HH AH0", "sil", "HH <space> XX"],
}


@pytest.mark.export
@pytest.mark.parametrize("token_type", TEXTS)
def test_ids_of_text_equal_espnets(token_type: str, model: Path, pieces: list[str]) -> None:
    build_theirs, converter = espnet_text()
    token_list = {"bpe": pieces, "char": CHARS, "word": WORDS, "phn": PHONES}[token_type]
    path = str(model) if token_type == "bpe" else None
    symbols = ["<noise>", "<unk>"]
    theirs = build_theirs(token_type=token_type, bpemodel=path, non_linguistic_symbols=symbols)
    config = {
        "token_type": token_type,
        "token_list": token_list,
        "non_linguistic_symbols": symbols,
    }
    ours = build_tokenizer(config, {"bpemodel": model})
    for text in TEXTS[token_type]:
        ids = ours.text2ids(text)
        assert ids == converter(token_list).tokens2ids(theirs.text2tokens(text)), text
        assert ours.ids2tokens(ids) == converter(token_list).ids2tokens(ids)


@pytest.mark.export
@pytest.mark.parametrize("delimiter", [None, ",", "--"])
def test_word_delimiter_equals_espnets(delimiter: str | None) -> None:
    build_theirs, _ = espnet_text()
    theirs = build_theirs(token_type="word", delimiter=delimiter)
    ours = build("word", WORDS, delimiter=delimiter)
    text = "hello--world,it's hello"
    assert ours.text2tokens(text) == theirs.text2tokens(text)
    assert ours.tokens2text(["a", "b", "c"]) == theirs.tokens2text(["a", "b", "c"])


def test_text_by_token_type(bpe: Tokenizer) -> None:
    assert build("char", CHARS).tokens2text(["a", "<space>", "<unk>", "é"]) == "a <unk>é"
    assert build("char", CHARS, space_symbol="|").tokens2text(["a", "|", "<space>"]) == "a <space>"
    assert build("word", WORDS).tokens2text(["hello", "<unk>"]) == "hello <unk>"
    assert build("phn", PHONES).tokens2text(["HH", "<space>", "L"]) == "HH<space>L"
    assert bpe.tokens2text(bpe.text2tokens("naïve café")) == "naïve café"
    assert bpe.tokens2text(["▁", "<unk>"]) == " ⁇ "
    for kind, tokens in [("char", CHARS), ("word", WORDS), ("phn", PHONES)]:
        assert build(kind, tokens).tokens2text([]) == ""


def test_ids_and_unknown_tokens() -> None:
    chars = build("char", CHARS)
    ids = chars.text2ids("a Zé")
    assert chars.ids2tokens(ids) == ["a", "<space>", "<unk>", "é"]
    assert build("phn", PHONES).text2ids(" HH  XX ") == [3, 1]


def test_the_longest_symbol_is_found_first() -> None:
    chars = build("char", CHARS, non_linguistic_symbols=["<noise>", "<noise>s", ""])
    assert chars.text2tokens("a<noise>s<noise>b") == ["a", "<noise>s", "<noise>", "b"]


def test_words_of_sentencepiece(bpe: Tokenizer) -> None:
    for text in [*LINES, "hello 好 x", "unseen words are split into pieces"]:
        tokens = bpe.text2tokens(text)
        assert word_texts(bpe, tokens) == text.split(), tokens
        inside = [i for group in bpe.words(tokens) for i in group]
        assert inside == sorted(set(inside))
        assert {tokens[i] for i in range(len(tokens)) if i not in inside} <= {"▁"}
    assert bpe.words([]) == []
    assert bpe.words(["▁", "▁"]) == []


def test_an_unknown_piece_is_a_word_of_its_own(bpe: Tokenizer) -> None:
    tokens = [*bpe.text2tokens("one"), "<unk>", *bpe.text2tokens("hello")]
    assert word_texts(bpe, tokens) == ["one", "⁇", "hello"]


def test_bytes_of_a_character_stay_together(bpe: Tokenizer) -> None:
    tokens = bpe.text2tokens("你好")
    shown = tokens.index("<0xE4>")
    assert bpe.words(tokens) == [
        [shown, shown + 1, shown + 2],
        [shown + 3, shown + 4, shown + 5],
    ]


def test_words_of_characters() -> None:
    chars = build("char", CHARS)
    assert chars.words(["<space>", "a", "b", "<space>", "<space>", "c", "<space>"]) == [[1, 2], [5]]
    assert chars.words(["你", "好", "a", "b", "，", "你", "。"]) == [[0], [1], [2, 3, 4], [5, 6]]
    assert chars.words([]) == []


def test_words_of_words_and_phonemes() -> None:
    assert build("word", WORDS).words(["new york", "hello"]) == [[0], [1]]
    phones = build("phn", PHONES)
    assert phones.words(["HH", "L", "<space>", "OW1"]) == [[0, 1], [3]]


def test_no_token_type_means_no_text(pieces: list[str]) -> None:
    for tokenizer in (build(None, CHARS), build("bpe", pieces)):
        assert tokenizer.ids2tokens([0, 1]) == ["<blank>", "<unk>"]
        assert tokenizer.tokens2text(["<unk>"]) is None
        assert tokenizer.words(["<unk>"]) == []
        with pytest.raises(InputError, match="token ids"):
            tokenizer.text2ids("a")


def test_a_missing_sentencepiece_model_is_a_bundle_error(tmp_path: Path) -> None:
    config = {"token_type": "bpe", "token_list": SPECIAL}
    with pytest.raises(BundleError, match=r"gone\.model: no such sentencepiece"):
        build_tokenizer(config, {"bpemodel": tmp_path / "gone.model"})


def test_an_unreadable_sentencepiece_model_is_a_bundle_error(tmp_path: Path) -> None:
    path = tmp_path / "bad.model"
    path.write_bytes(b"not a model")
    tokenizer = build_tokenizer({"token_type": "bpe", "token_list": SPECIAL}, {"bpemodel": path})
    assert tokenizer.ids2tokens([1]) == ["<unk>"], "the model is read only when text is needed"
    with pytest.raises(BundleError, match=r"bad\.model: cannot be read"):
        tokenizer.tokens2text(["a"])


@pytest.mark.parametrize(
    ("token_type", "token_list", "says"),
    [
        ("whisper_en", SPECIAL, "token_type 'whisper_en' is unknown"),
        ("char", ["<unk>", "a", "b", "a"], "'a' occurs twice"),
        ("char", ["a", "b"], "'<unk>' is missing"),
    ],
)
def test_broken_configs_are_refused(token_type: str, token_list: list[str], says: str) -> None:
    with pytest.raises(BundleError, match=says):
        build(token_type, token_list)


def test_token_types_are_what_can_be_built() -> None:
    assert TOKEN_TYPES == ("bpe", "char", "word", "phn")
