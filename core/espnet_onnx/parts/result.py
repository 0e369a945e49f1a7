"""What recognising a recording returns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from .tokenizer import unspaced

__all__ = [
    "Recognition",
    "Segment",
    "Span",
    "Token",
    "Word",
    "join_texts",
    "time_tokens",
    "time_words",
]


@attrs.frozen
class Span:
    """A stretch of a recording.

    Attributes:
        text: what was said in it.
        start: seconds from the beginning of the recording, None where it is not known.
        end: seconds; the end of the last frame that shows it, which CTC puts early.
        confidence: probability from 0 to 1, None where it is not known.
    """

    text: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON values; times in milliseconds' precision."""
        return {
            "text": self.text,
            "start": _number(self.start, 3),
            "end": _number(self.end, 3),
            "confidence": _number(self.confidence, 4),
        }


@attrs.frozen
class Token(Span):
    """A token and when it was said; `text` is the token as the vocabulary writes it."""


@attrs.frozen
class Word(Span):
    """A word and when it was said."""


@attrs.frozen
class Recognition:
    """One hypothesis of what a recording says.

    Attributes:
        text: what was said; None where the model has no tokenizer.
        tokens: the text in tokens.
        ids: the tokens' ids, without <sos/eos> and blank.
        score: total log score of the search.
        scores: its parts by scorer, before weighting.
        token_times: when each token was said; empty where nothing was aligned.
        words: when each word was said; empty likewise.
        nbest: every hypothesis asked for, the best first; its first equals this one without what
            only the best has (`nbest`, notes, times).
        notes: what the user should know (resampled, mixed to mono, ...).
        duration: seconds of audio.
        intermediate: block number -> tokens that CTC hears in that encoder block's output, for
            models with intermediate CTC.
        segments: the pieces of a long recording, with text each, in order; empty where the
            recording was recognised at once.
    """

    text: str | None
    tokens: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    score: float = 0.0
    scores: Mapping[str, float] = attrs.field(factory=dict)
    token_times: tuple[Token, ...] = attrs.field(default=(), repr=False)
    words: tuple[Word, ...] = attrs.field(default=(), repr=False)
    nbest: tuple[Recognition, ...] = attrs.field(default=(), repr=False)
    notes: tuple[str, ...] = ()
    duration: float | None = None
    intermediate: Mapping[int, tuple[str, ...]] = attrs.field(factory=dict, repr=False)
    segments: tuple[Segment, ...] = attrs.field(default=(), repr=False)

    def as_dict(self) -> dict[str, Any]:
        """JSON values: plain lists, rounded floats, None in place of what is not finite."""
        return {
            **_hypothesis(self),
            "duration": _number(self.duration, 3),
            "words": [word.as_dict() for word in self.words],
            "token_times": [token.as_dict() for token in self.token_times],
            "nbest": [_hypothesis(other) for other in self.nbest],
            "notes": list(self.notes),
            "intermediate": {str(n): list(tokens) for n, tokens in self.intermediate.items()},
            "segments": [segment.as_dict() for segment in self.segments],
        }


@attrs.frozen
class Segment(Recognition):
    """A piece of a long recording; all its times count from the recording's beginning.

    Attributes:
        start: seconds, where the piece begins.
        end: seconds, where it ends.
    """

    start: float = 0.0
    end: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """JSON values of what the whole recording's do not say."""
        return {
            "start": _number(self.start, 3),
            "end": _number(self.end, 3),
            "text": self.text,
            "score": _number(self.score, 6),
            "words": [word.as_dict() for word in self.words],
        }


def join_texts(texts: Iterable[str]) -> str:
    """One text of several, with spaces but between scripts that are written without them."""
    whole = ""
    for text in filter(None, texts):
        close = not whole or (unspaced(whole[-1]) and unspaced(text[0]))
        whole += text if close else f" {text}"
    return whole


def time_tokens(
    tokens: Sequence[str],
    times: Sequence[tuple[float, float] | None],
    confidences: Sequence[float | None],
) -> tuple[Token, ...]:
    """Put tokens together with what `alignment.seconds` and `alignment.confidences` say."""
    timed = []
    for token, time, confidence in zip(tokens, times, confidences, strict=True):
        start, end = time or (None, None)
        timed.append(Token(token, start, end, confidence))
    return tuple(timed)


def time_words(
    tokens: Sequence[Token],
    groups: Sequence[Sequence[int]],
    tokens2text: Callable[[Sequence[str]], str | None],
) -> tuple[Word, ...]:
    """Words of timed tokens; a word is as certain as its least certain token.

    Args:
        tokens: timed tokens.
        groups: indexes of each word's tokens (`Tokenizer.words`).
        tokens2text: `Tokenizer.tokens2text`.
    """
    words = []
    for group in groups:
        parts = [tokens[i] for i in group]
        known = [part.confidence for part in parts if part.confidence is not None]
        text = (tokens2text([part.text for part in parts]) or "").strip()
        words.append(Word(text, parts[0].start, parts[-1].end, min(known, default=None)))
    return tuple(words)


def _hypothesis(recognition: Recognition) -> dict[str, Any]:
    scores = {name: _number(value, 6) for name, value in recognition.scores.items()}
    return {
        "text": recognition.text,
        "tokens": list(recognition.tokens),
        "ids": [int(i) for i in recognition.ids],
        "score": _number(recognition.score, 6),
        "scores": scores,
    }


def _number(value: float | None, digits: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), digits)
