from __future__ import annotations

import pytest

from espnet_onnx.parts.sentences import sentences

JAPANESE = "\u4eca\u65e5\u306f\u3002\u96e8\u3067\u3059\u3002"
HINDI = "\u0915\u0964 \u0916\u0917\u0918\u0919\u091a\u091b\u0964"


def test_a_short_text_stays_whole() -> None:
    assert sentences("One. Two.") == ["One. Two."]
    assert sentences("  ") == []


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One two. Three four! Five?", ["One two.", "Three four!", "Five?"]),
        ('"Go on!" he said. Yes...', ['"Go on!"', "he said.", "Yes..."]),
        ("It is 3.5 m. Dr. Wu knows, e.g. Ann.", ["It is 3.5 m.", "Dr. Wu knows,", "e.g. Ann."]),
        (JAPANESE, [JAPANESE[:4], JAPANESE[4:]]),
        (HINDI, [HINDI[:2], HINDI[3:]]),
        ("first line\nsecond", ["first line", "second"]),
        ("one two, three four, five six", ["one two,", "three four,", "five six"]),
        ("one two three four", ["one two three", "four"]),
        ("abcdefghijklmnopqrstuvwxyz", ["abcdefghijklmn", "opqrstuvwxyz"]),
    ],
)
def test_it_is_cut_where_a_reader_would_pause(text: str, pieces: list[str]) -> None:
    longest = 8 if text == HINDI else 14
    found = sentences(text, longest)
    assert "".join(found).replace(" ", "") == text.replace(" ", "").replace("\n", "")
    assert found == pieces


def test_line_breaks_are_spaces() -> None:
    assert sentences("One\ntwo.\r\n\n Three\n") == ["One two. Three"]
    assert sentences("One\ntwo.\nThree four", 9) == ["One two.", "Three", "four"]


def test_sentences_are_packed() -> None:
    assert sentences("One. Two. Three. Four.", 13) == ["One. Two.", "Three. Four."]


def test_a_long_text_takes_no_more_than_linear_time() -> None:
    text = "This is Mr. Smith. " * 20_000
    pieces = sentences(text)
    assert max(map(len, pieces)) <= 300
    assert " ".join(pieces) == text.strip()
