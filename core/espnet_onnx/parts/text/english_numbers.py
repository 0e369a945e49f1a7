"""Numbers, ordinals and dollars in English words.

The rules are Keith Ito's of Tacotron (`tacotron_cleaner.numbers.normalize_numbers`); the words are
those of the package inflect.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from .packages import package

__all__ = ["spell_numbers"]


def spell_numbers(text: str) -> str:
    """Spell out the digits of a lower-case ASCII text.

    Raises:
        InputError: there are digits, and no extra `text-en`.
        ValueError: an amount of dollars that begins with a comma.
        Exception: inflect's own, of a number beyond its words.
    """
    text = re.sub(r"[0-9][0-9,]+[0-9]", lambda found: found[0].replace(",", ""), text)
    text = re.sub(r"\$([0-9.,]*[0-9]+)", lambda found: _dollars(found[1]), text)
    text = re.sub(r"[0-9]+\.[0-9]+", lambda found: found[0].replace(".", " point "), text)
    text = re.sub(r"[0-9]+(?:st|nd|rd|th)", lambda found: _words(found[0]), text)
    return re.sub(r"[0-9]+", lambda found: _number(int(found[0])), text)


def _dollars(amount: str) -> str:
    whole, *rest = amount.split(".")
    if len(rest) > 1:
        return f"{amount} dollars"
    dollars = int(whole or 0)
    cents = int((rest and rest[0]) or 0)
    parts = [_count(dollars, "dollar"), _count(cents, "cent")]
    return ", ".join(filter(None, parts)) or "zero dollars"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}" if number else ""


def _number(number: int) -> str:
    """From 1001 to 2999 as years are read, all others as numbers."""
    if not 1000 < number < 3000:
        return _words(number, andword="")
    if number == 2000:
        return "two thousand"
    if 2000 < number < 2010:
        return f"two thousand {_words(number % 100)}"
    if number % 100 == 0:
        return f"{_words(number // 100)} hundred"
    return _words(number, andword="", zero="oh", group=2).replace(", ", " ")


def _words(number: int | str, **style: Any) -> str:
    return str(_engine().number_to_words(number, **style))


@cache
def _engine() -> Any:
    return package("inflect", "text-en", "cleaner tacotron").engine()
