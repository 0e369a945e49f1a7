"""Pieces' results become segments: tokens, texts and times of the recording."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from espnet_onnx.parts.joining import Joiner
from espnet_onnx.parts.pieces import Piece
from espnet_onnx.parts.result import Recognition, Segment, join_texts, time_tokens, time_words
from espnet_onnx.parts.tokenizer import Tokenizer, build_tokenizer

RATE = 100
LETTERS = build_tokenizer(
    {"token_type": "char", "token_list": ["<blank>", "<unk>", "<space>", *"abcdefghij"]}, {}
)
BARE = Tokenizer(["<blank>", "<unk>", "x", "y", "z"])


def piece(start: float, end: float) -> Piece:
    return Piece(round(start * RATE), np.zeros(round((end - start) * RATE), np.float32))


def result(text: str, *times: float, tokenizer: Tokenizer = LETTERS) -> Recognition:
    """Spoken characters, each at a time and 0.1 s long."""
    tokens = ["<space>" if c == " " else c for c in text]
    spans = [(t, t + 0.1) for t in times] or [None] * len(tokens)
    timed = time_tokens(tokens, spans, [0.5] * len(tokens)) if times else ()
    words = time_words(timed, tokenizer.words(tokens), tokenizer.tokens2text) if times else ()
    ids = tuple(tokenizer.tokens2ids(tokens))
    whole = tokenizer.tokens2text(tokens)
    return Recognition(whole, tuple(tokens), ids, -1.0, {}, timed, words, (Recognition(whole),))


def run(joiner: Joiner, *heard: tuple[Piece, Recognition]) -> list[Segment]:
    segments = [segment for pair in heard for segment in joiner.add(*pair)]
    return [*segments, *joiner.finish()]


def test_times_count_from_the_beginning_of_the_recording() -> None:
    first, second = run(
        Joiner(LETTERS, RATE),
        (piece(1, 3), result("ab c", 0.2, 0.4, 0.5, 0.9)),
        (piece(10, 12), result("d", 1.0)),
    )
    assert (first.start, first.end, first.duration) == (1, 3, 2)
    assert [(w.text, w.start, w.end) for w in first.words] == [
        ("ab", pytest.approx(1.2), pytest.approx(1.5)),
        ("c", pytest.approx(1.9), pytest.approx(2.0)),
    ]
    assert [t.start for t in second.token_times] == [11]
    assert (second.start, second.end, second.text) == (10, 12, "d")
    assert first.nbest == (Recognition("ab c"),)


def test_a_seam_divides_tokens_text_and_times() -> None:
    a = result("a b cd e", 0.5, 1.0, 1.5, 2.0, 2.5, 2.6, 3.0, 3.5)
    b = result("cd e f", 0.52, 0.62, 1.0, 1.48, 2.0, 2.5)
    first, second = run(Joiner(LETTERS, RATE), (piece(0, 4), a), (piece(2, 6), b))
    assert (first.text, second.text) == ("a b cd", "e f")
    assert first.tokens == ("a", "<space>", "b", "<space>", "c", "d")
    assert second.tokens == ("e", "<space>", "f")
    assert LETTERS.ids2tokens(second.ids) == list(second.tokens)
    assert [t.text for t in second.token_times] == list(second.tokens)
    assert [w.text for w in second.words] == ["e", "f"]
    assert first.end == second.start
    assert first.nbest == second.nbest == ()


def test_times_never_go_back_at_a_seam() -> None:
    a, b = result("a b", 1.0, 1.5, 3.0), result("b c", 0.8, 0.9, 1.05)
    segments = run(Joiner(LETTERS, RATE), (piece(0, 4), a), (piece(2, 6), b))
    words = [word for segment in segments for word in segment.words]
    assert [w.text for w in words] == ["a", "b", "c"]
    times = [t for w in words for t in (w.start, w.end)]
    assert times == sorted(times)


def test_a_third_window_may_reach_back_far() -> None:
    said = [(c, 0.5 + i) for i, c in enumerate("abcdefghij")]

    def window(start: float, end: float) -> tuple[Piece, Recognition]:
        heard = [(c, t - start) for c, t in said if start <= t < end]
        text = " ".join(c for c, _ in heard)
        times = [x for _, t in heard for x in (t, t + 0.2)][:-1]
        return piece(start, end), result(text, *times)

    made = run(Joiner(LETTERS, RATE), window(0, 6), window(3, 9), window(4, 10))
    assert " ".join(segment.text or "" for segment in made) == "a b c d e f g h i j"
    assert all(x.end == y.start for x, y in itertools.pairwise(made))


def test_what_is_empty_gives_no_segment() -> None:
    made = run(Joiner(LETTERS, RATE), (piece(0, 1), result("")), (piece(2, 3), result("a", 0.5)))
    assert [(s.text, s.start) for s in made] == [("a", 2)]
    assert run(Joiner(LETTERS, RATE)) == []


def test_without_times_tokens_are_matched() -> None:
    a, b = result("a bc d efg h"), result("d efg h ij b c")
    first, second = run(Joiner(LETTERS, RATE), (piece(0, 4), a), (piece(2, 6), b))
    assert join_texts([first.text or "", second.text or ""]) == "a bc d efg h ij b c"
    assert first.words == second.words == ()


def test_tokens_without_text_are_joined_one_by_one() -> None:
    a = result("xyz", 1.0, 2.5, 3.2, tokenizer=BARE)
    b = result("yzx", 0.5, 1.2, 3.0, tokenizer=BARE)
    made = run(Joiner(BARE, RATE), (piece(0, 4), a), (piece(2, 6), b))
    assert "".join(t for s in made for t in s.tokens) == "xyzx"
    assert [s.text for s in made] == [None, None]


def test_texts_are_joined_as_their_scripts_are_written() -> None:
    assert join_texts(["a b", "", "c"]) == "a b c"
    assert join_texts(["你好", "世界", "ok", "吗"]) == "你好世界 ok 吗"
    assert join_texts([]) == ""
