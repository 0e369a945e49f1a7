from __future__ import annotations

import itertools

import pytest

from espnet_onnx.parts.captions import Cue, Layout, cues, srt, vtt
from espnet_onnx.parts.result import Recognition, Segment, Word


def spoken(*words: tuple[str, float, float], duration: float | None = None) -> Recognition:
    text = " ".join(word for word, _, _ in words)
    return Recognition(text, words=tuple(Word(*word) for word in words), duration=duration)


def steady(text: str, step: float = 0.3) -> Recognition:
    """Words one after another, each `step` seconds long."""
    words = text.split()
    return spoken(
        *((w, i * step, (i + 1) * step) for i, w in enumerate(words)), duration=len(words) * step
    )


HELLO = spoken(("hello", 0.5, 0.9), ("<noise>", 1.0, 1.25), ("you", 5.0, 5.04), duration=5.5)


def test_srt() -> None:
    assert srt(HELLO) == (
        "1\n00:00:00,500 --> 00:00:01,500\nhello <noise>\n\n2\n00:00:05,000 --> 00:00:05,500\nyou\n"
    )


def test_vtt_escapes_what_it_would_read_as_tags() -> None:
    assert vtt(HELLO) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nhello &lt;noise&gt;\n\n"
        "00:00:05.000 --> 00:00:05.500\nyou\n"
    )
    assert "a &amp;lt; b" in vtt(spoken(("a &lt; b", 0, 1)))


@pytest.mark.parametrize(
    ("time", "stamp"),
    [
        (59.9995, "00:01:00,000"),
        (59.9994, "00:00:59,999"),
        (3599.9999, "01:00:00,000"),
        (0.0004, "00:00:00,000"),
        (1.001, "00:00:01,001"),
        (360000.0, "100:00:00,000"),
    ],
)
def test_rounding_carries_into_minutes_and_hours(time: float, stamp: str) -> None:
    assert f"{stamp} --> " in srt(spoken(("a", time, time + 2)))
    assert f" --> {stamp}\n" in srt(spoken(("a", 0, time)), Layout(shortest=0))


def test_lines_and_captions_stay_within_their_length() -> None:
    text = "the quick brown fox jumps over the lazy dog " * 10
    layout = Layout(line_length=20, lines=2, longest=60)
    made = cues(steady(text), layout)
    lines = [line for cue in made for line in cue.text.split("\n")]
    assert " ".join(lines) == text.strip()
    assert max(map(len, lines)) <= 20
    assert all(len(cue.text.split("\n")) <= 2 for cue in made)
    # Filled: no line would have taken the next word.
    assert all(len(a) + 1 + len(b.split()[0]) > 20 for a, b in itertools.pairwise(lines))


def test_a_word_longer_than_a_line_has_one_for_itself() -> None:
    made = cues(steady("a incomprehensibilities b"), Layout(line_length=5, lines=3))
    assert [cue.text for cue in made] == ["a\nincomprehensibilities\nb"]


def test_silence_and_length_begin_a_new_caption() -> None:
    pause = spoken(("a", 0, 1), ("b", 1.9, 2.5), ("c", 3.5, 4))
    assert [cue.text for cue in cues(pause, Layout(gap=1.0))] == ["a b", "c"]
    assert [cue.text for cue in cues(steady("a b c d e", 2.0), Layout(longest=4.0))] == [
        "a b",
        "c d",
        "e",
    ]


def test_captions_never_overlap_and_stay_when_they_can() -> None:
    words = spoken(("a", 0.0, 0.04), ("b", 0.5, 0.54), ("c", 9.0, 9.04), duration=9.2)
    layout = Layout(line_length=1, lines=1, shortest=1.0)
    assert cues(words, layout) == [
        Cue(0.0, 0.5, "a"),
        Cue(0.5, 1.5, "b"),
        Cue(9.0, 9.2, "c"),
    ]


def test_wide_scripts_are_joined_without_spaces_and_take_two_columns() -> None:
    words = spoken(*((c, i * 0.2, i * 0.2 + 0.1) for i, c in enumerate("你好世界")), ("ok", 0.9, 1))
    assert cues(words, Layout(line_length=20))[0].text == "你好世界 ok"
    assert cues(words, Layout(line_length=4))[0].text == "你好\n世界"


def test_without_word_times_there_is_one_caption() -> None:
    untimed = Recognition("hello you", words=(Word("hello"), Word("you")), duration=2.5)
    assert cues(untimed) == [Cue(0.0, 2.5, "hello you")]
    assert cues(Recognition("hello you", duration=2.5)) == [Cue(0.0, 2.5, "hello you")]
    assert cues(Recognition("hello"), Layout(longest=3.0)) == [Cue(0.0, 3.0, "hello")]
    assert len(cues(Recognition("a " * 60, duration=9.0))) == 1


def test_segments_without_word_times_share_their_time_by_length() -> None:
    timed = Segment("hello", words=(Word("hello", 0.5, 0.9),), start=0.0, end=1.0)
    untimed = Segment("aaaa aaaa aaaa aaaa", start=20.0, end=40.0)
    han = Segment("你好世界", start=50.0, end=54.0)
    segments = (timed, untimed, han)
    text = " ".join(s.text or "" for s in segments)
    whole = Recognition(text, words=timed.words, duration=60.0, segments=segments)
    assert cues(whole, Layout(longest=10.0)) == [
        Cue(0.5, 1.5, "hello"),
        Cue(20.0, 30.0, "aaaa aaaa"),
        Cue(30.0, 40.0, "aaaa aaaa"),
        Cue(50.0, 54.0, "你好世界"),
    ]


def test_no_text_has_no_caption() -> None:
    for silent in (Recognition("", duration=1.0), Recognition(None, duration=1.0)):
        assert srt(silent) == ""
        assert vtt(silent) == "WEBVTT\n"
