from __future__ import annotations

import json
import math

from espnet_onnx.parts.result import Recognition, Token, Word, time_tokens, time_words
from espnet_onnx.parts.tokenizer import build_tokenizer

CHARS = build_tokenizer({"token_type": "char", "token_list": ["<unk>", "<space>", *"abc"]}, {})


def test_words_take_the_times_of_their_tokens() -> None:
    tokens = ["a", "b", "<space>", "c"]
    times = [(0.0, 0.1), (0.2, 0.3), (0.4, 0.5), (0.6, 0.7)]
    timed = time_tokens(tokens, times, [0.9, 0.5, 0.1, None])
    assert timed[1] == Token("b", 0.2, 0.3, 0.5)
    words = time_words(timed, CHARS.words(tokens), CHARS.tokens2text)
    assert words == (Word("ab", 0.0, 0.3, 0.5), Word("c", 0.6, 0.7, None))


def test_words_without_times_keep_their_text() -> None:
    timed = time_tokens(["a", "<space>", "b"], [None] * 3, [None] * 3)
    words = time_words(timed, CHARS.words(["a", "<space>", "b"]), CHARS.tokens2text)
    assert words == (Word("a"), Word("b"))


def test_a_token_is_no_word() -> None:
    assert Token("a") != Word("a")


def test_as_dict_is_strict_json() -> None:
    recognition = Recognition(
        text="ab",
        tokens=("a", "b"),
        ids=(2, 3),
        score=-1.23456789,
        scores={"decoder": -math.inf, "ctc": 0.5},
        token_times=(Token("a", 0.04000001, 0.08, 0.123456),),
        words=(Word("ab"),),
        nbest=(Recognition("ab", score=-1.0), Recognition("a", score=math.nan)),
        notes=("resampled",),
        duration=1.00049,
        intermediate={6: ("a",)},
    )
    assert json.loads(json.dumps(recognition.as_dict(), allow_nan=False)) == {
        "text": "ab",
        "tokens": ["a", "b"],
        "ids": [2, 3],
        "score": -1.234568,
        "scores": {"decoder": None, "ctc": 0.5},
        "duration": 1.0,
        "words": [{"text": "ab", "start": None, "end": None, "confidence": None}],
        "token_times": [{"text": "a", "start": 0.04, "end": 0.08, "confidence": 0.1235}],
        "nbest": [
            {"text": "ab", "tokens": [], "ids": [], "score": -1.0, "scores": {}},
            {"text": "a", "tokens": [], "ids": [], "score": None, "scores": {}},
        ],
        "notes": ["resampled"],
        "intermediate": {"6": ["a"]},
        "segments": [],
    }


def test_no_text_stays_none() -> None:
    assert Recognition(None).as_dict()["text"] is None
