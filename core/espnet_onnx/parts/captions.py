"""SRT and WebVTT captions of a recognition."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Sequence

import attrs

from .result import Recognition, Segment, Word, join_texts
from .tokenizer import unspaced

__all__ = ["Cue", "Layout", "cues", "srt", "vtt"]


@attrs.frozen
class Layout:
    """Rules for cutting words into captions.

    Attributes:
        line_length: most columns a line; wide characters (Han, kana, ...) take two.
        lines: most lines a caption.
        gap: seconds of silence after which a new caption begins.
        longest: most seconds from the first word's start to the last one's end.
        shortest: seconds a caption stays, where the next one leaves the time.
    """

    line_length: int = 42
    lines: int = 2
    gap: float = 1.0
    longest: float = 7.0
    shortest: float = 1.0


@attrs.frozen
class Cue:
    """One caption: start and end in seconds, text of one or more lines."""

    start: float
    end: float
    text: str


def cues(recognition: Recognition, layout: Layout | None = None) -> list[Cue]:
    """Cut a recognition into captions, in order and without overlap.

    Without word times the whole text is one caption over the whole recording, or in segments of a
    long one words are spread evenly; without any text there is none.
    """
    layout = layout or Layout()
    words = [word for word in recognition.words if word.text]
    if recognition.segments:
        words = [word for segment in recognition.segments for word in _timed(segment)]
    timed = [w for w in words if _has_times(w)]
    if not words or len(timed) < len(words):
        texts = [word.text for word in words] or (recognition.text or "").split()
        whole = Cue(0.0, recognition.duration or layout.longest, "\n".join(_lines(texts, layout)))
        return [whole] if texts else []
    groups = _groups(timed, layout)
    following = [_start(group) for group in groups[1:]]
    last = max(recognition.duration or 0.0, _end(groups[-1]))
    return [
        _cue(group, until, layout) for group, until in zip(groups, [*following, last], strict=True)
    ]


def srt(recognition: Recognition, layout: Layout | None = None) -> str:
    """SubRip text of a recognition."""
    blocks = [
        f"{number}\n{_stamp(cue.start, ',')} --> {_stamp(cue.end, ',')}\n{cue.text}\n"
        for number, cue in enumerate(cues(recognition, layout), start=1)
    ]
    return "\n".join(blocks)


def vtt(recognition: Recognition, layout: Layout | None = None) -> str:
    """WebVTT text of a recognition."""
    blocks = [
        f"{_stamp(cue.start, '.')} --> {_stamp(cue.end, '.')}\n{_escaped(cue.text)}\n"
        for cue in cues(recognition, layout)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _has_times(word: Word) -> bool:
    return word.start is not None and word.end is not None


def _timed(segment: Segment) -> list[Word]:
    """Words of a segment; without times of their own they share its time by their columns."""
    words = [word for word in segment.words if word.text]
    if words and all(map(_has_times, words)):
        return words
    texts = [word.text for word in words] or _texts(segment.text or "")
    until = list(itertools.accumulate(_columns(text) + 1 for text in texts))
    share = (segment.end - segment.start) / max(until, default=1)
    ends = [segment.start + columns * share for columns in until]
    starts = [segment.start, *ends]
    return [Word(text, *time) for text, *time in zip(texts, starts, ends, strict=False)]


def _texts(text: str) -> list[str]:
    """Words of a text; characters where a script has no spaces."""
    parts = [list(part) if all(map(unspaced, part)) else [part] for part in text.split()]
    return list(itertools.chain.from_iterable(parts))


def _groups(words: Sequence[Word], layout: Layout) -> list[list[Word]]:
    """Words of each caption."""
    groups: list[list[Word]] = []
    for word in words:
        if groups and _fits(groups[-1], word, layout):
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _fits(group: Sequence[Word], word: Word, layout: Layout) -> bool:
    texts = [*(w.text for w in group), word.text]
    return (
        _start([word]) - _end(group) < layout.gap
        and _end([word]) - _start(group) <= layout.longest
        and len(_lines(texts, layout)) <= layout.lines
    )


def _cue(group: Sequence[Word], until: float, layout: Layout) -> Cue:
    start, end = _start(group), _end(group)
    stay = min(max(end, start + layout.shortest), max(until, end))
    return Cue(start, stay, "\n".join(_lines([word.text for word in group], layout)))


def _start(group: Sequence[Word]) -> float:
    return group[0].start or 0.0


def _end(group: Sequence[Word]) -> float:
    return group[-1].end or 0.0


def _lines(texts: Iterable[str], layout: Layout) -> list[str]:
    """Fill lines with words; a word longer than a line has one for itself."""
    lines: list[str] = []
    for text in texts:
        longer = join_texts([lines[-1], text]) if lines else text
        if lines and _columns(longer) <= layout.line_length:
            lines[-1] = longer
        else:
            lines.append(text)
    return lines


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _stamp(time: float, point: str) -> str:
    # Whole milliseconds first, so that 59.9996 s carries into the minute.
    seconds, milliseconds = divmod(round(time * 1000), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{milliseconds:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
