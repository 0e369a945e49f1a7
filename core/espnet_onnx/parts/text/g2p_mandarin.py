"""Mandarin by the package pypinyin (`espnet2.text.phoneme_tokenizer.pypinyin_*`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .packages import package

__all__ = ["initials_and_finals", "joined_phones", "syllables"]

# After these, the finals on the left are written so but mean those on the right.
_FRONTED = ("x", "y", "j", "q")
_ROUNDED = {"un": "vn", "uan": "van", "u": "v"}


def syllables() -> Callable[[str], list[str]]:
    """Syllables with the number of their tone; raises InputError without `text-zh`."""
    pypinyin = _package("pypinyin")
    return lambda text: _read(pypinyin, text, style=pypinyin.Style.TONE3)


def initials_and_finals() -> Callable[[str], list[str]]:
    """Initials, and finals with the number of their tone; raises InputError without `text-zh`."""
    pypinyin, parts = _package("pypinyin"), _package("pypinyin.style._utils")

    def phones(text: str) -> list[str]:
        found = []
        for syllable in _read(pypinyin, text, style=pypinyin.Style.TONE3):
            found += [parts.get_initials(syllable, strict=True), _final(parts, syllable)]
        # A tone of its own is no phoneme.
        return [phone for phone in found if phone and not phone.isdigit()]

    return phones


def joined_phones() -> Callable[[str], list[str]]:
    """Syllables as initial_final without tones; raises InputError without `text-zh`."""
    pypinyin, parts = _package("pypinyin"), _package("pypinyin.style._utils")

    def phones(text: str) -> list[str]:
        read = _read(pypinyin, text, style=pypinyin.Style.NORMAL, strict=False)
        return [
            _joined(parts.get_initials(s, strict=False), parts.get_finals(s, strict=False))
            for s in read
        ]

    return phones


def _final(parts: Any, syllable: str) -> str:
    """The final with its tone; what is no syllable (punctuation) as it stands."""
    last = syllable[-1]
    if last.isdigit():
        return str(parts.get_finals(syllable[:-1], strict=True)) + last
    return str(parts.get_finals(syllable, strict=True)) if last.isalnum() else syllable


def _joined(initial: str, final: str) -> str:
    if not initial:
        return final
    if initial in _FRONTED:
        final = _ROUNDED.get(final, final)
    return f"{initial}_{'ve' if final == 'ue' else final}"


def _read(pypinyin: Any, text: str, **style: Any) -> list[str]:
    return [readings[0] for readings in pypinyin.pinyin(text, **style)]


def _package(module: str) -> Any:
    return package(module, "text-zh", "g2p pypinyin")
