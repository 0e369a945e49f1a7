"""Korean: the cleaner `korean_cleaner` and the g2p `korean_jaso`, with nothing but arithmetic."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["clean_korean", "jaso"]

_DIGITS = zip("0123456789", "영일이삼사오육칠팔구", strict=True)
_LETTERS = zip(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    [
        *("에이", "비", "씨", "디", "이", "에프", "지", "에이치", "아이"),
        *("제이", "케이", "엘", "엠", "엔", "오", "피", "큐", "알"),
        *("에스", "티", "유", "브이", "더블유", "엑스", "와이", "지"),
    ],
    strict=True,
)
_NAMES = str.maketrans(dict([*_DIGITS, *_LETTERS]))
# Leading consonants, vowels and trailing consonants of modern Korean, and what may stand between.
_KEPT = {
    *map(chr, range(0x1100, 0x1113)),
    *map(chr, range(0x1161, 0x1176)),
    *map(chr, range(0x11A8, 0x11C3)),
    *"!'(),-.:;? ",
}


def clean_korean(text: str) -> str:
    """Digits and Latin letters by their Korean names (`KoreanCleaner.normalize_text`)."""
    capitals = re.sub("[a-z]+", lambda found: found[0].upper(), text.strip())
    return capitals.translate(_NAMES)


def jaso(text: str) -> list[str]:
    """Letters of the syllables, and punctuation (`espnet2.text.phoneme_tokenizer.Jaso`)."""
    letters = (unicodedata.normalize("NFD", c) if "가" <= c <= "힣" else c for c in text)
    return [letter for letter in "".join(letters) if letter in _KEPT]
