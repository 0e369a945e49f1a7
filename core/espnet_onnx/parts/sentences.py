"""Long texts in pieces that are spoken one after another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from .tokenizer import unspaced

__all__ = ["LONGEST", "sentences"]

# Letters of a piece, some 20 seconds of speech. A letter of an unspaced script is a syllable.
LONGEST = 300
_SYLLABLE = 3

_CLOSING = "[\"'\u2019\u201d\u00bb)\\]\u300d\u300f\uff09]*"
# Marks that end a sentence before a space only (3.5, e.g.), and those that always do: ideographic,
# Devanagari, Arabic, Urdu, Armenian, Ethiopic, Burmese, Khmer, Tibetan.
_SPACED = "[.!?\u2026]+"
_ALWAYS = "[\u3002\uff01\uff1f\uff61\uff0e\u0964\u0965\u061f\u06d4\u0589\u1362\u104b\u17d4\u0f0d]+"
_ENDS = re.compile(f"{_SPACED}{_CLOSING}(?=\\s|$)|{_ALWAYS}{_CLOSING}|\\n+")
_CLAUSES = re.compile(
    "[,;:\u2013\u2014](?=\\s|$)|[\u3001\uff0c\uff1b\uff1a\u060c\u061b\u1363\u104a]"
)
_SPACES = re.compile(r"\s+")
_BREAKS = re.compile(r"\s*[\n\r]\s*")
# A dot behind these, or before a small letter, is no full stop.
_SHORT = re.compile(
    r"[\s(\"'](?:[^\W\d_]|[^\W\d_]\.[^\W\d_]|Mrs?|Ms|Dr|Prof|Sr|Jr|St|vs|etc|No|Nr|bzw|ca)\.$",
    re.IGNORECASE,
)
_BEFORE = 8  # letters that hold the longest of them, and one before
_NEXT = re.compile(r"\s*(\S?)")


def sentences(text: str, longest: int = LONGEST) -> list[str]:
    """Cut a text where sentences end, and pack them into pieces.

    Where one sentence is longer than a piece, it is cut behind a comma or the like, else at a
    space, else anywhere.

    Args:
        text: any language; punctuation of the common scripts is known.
        longest: letters of a piece; those of scripts without spaces count three.

    Returns:
        The text in order, without spaces at the cuts; just itself where it is no longer than that.
        What is left of line breaks is spaces, as models know no other.
    """
    pieces = (_BREAKS.sub(" ", piece.strip()) for piece in _packed(text, longest, _LEVELS))
    return [piece for piece in pieces if piece]


def _ends(text: str) -> Iterator[int]:
    for match in _ENDS.finditer(text):
        if match[0] != "." or not _goes_on(text, match.end()):
            yield match.end()


def _goes_on(text: str, end: int) -> bool:
    """Whether the dot that ends here is no full stop."""
    behind = _NEXT.match(text, end)
    before = f" {text[max(0, end - _BEFORE) : end]}"
    return bool(behind and behind[1].islower()) or _SHORT.search(before) is not None


def _clauses(text: str) -> Iterator[int]:
    return (match.end() for match in _CLAUSES.finditer(text))


def _spaces(text: str) -> Iterator[int]:
    return (match.end() for match in _SPACES.finditer(text))


def _letters(text: str) -> Iterator[int]:
    return iter(range(1, len(text)))


_Level = Callable[[str], Iterator[int]]
_LEVELS: tuple[_Level, ...] = (_ends, _clauses, _spaces, _letters)


def _packed(text: str, longest: int, levels: tuple[_Level, ...]) -> list[str]:
    """Pieces at the cuts of the first level, themselves cut by the next where too long."""
    if _length(text) <= longest or not levels:
        return [text]
    pieces: list[str] = []
    filled = 0
    for begin, end in pairwise((0, *levels[0](text), len(text))):
        for piece in _packed(text[begin:end], longest, levels[1:]):
            size = _length(piece)
            if pieces and filled + size <= longest:
                pieces[-1] += piece
                filled += size
            else:
                pieces.append(piece)
                filled = size
    return pieces


def _length(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(_SYLLABLE if unspaced(letter) else 1 for letter in text)
