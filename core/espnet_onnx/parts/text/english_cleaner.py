"""The cleaner `tacotron`: English spelt out, in capitals, by ESPnet's rules.

It computes what `tacotron_cleaner.cleaners.custom_english_cleaners` does (package
espnet_tts_frontend, after Keith Ito's Tacotron): the order of the steps is part of the result.
"""

from __future__ import annotations

import re

from .english_numbers import spell_numbers
from .packages import package

__all__ = ["clean_english"]

# In this order, one after the other: an expansion may join the next abbreviation, and hide it.
_ABBREVIATIONS = {
    "mrs": "misess",
    "mr": "mister",
    "dr": "doctor",
    "st": "saint",
    "co": "company",
    "jr": "junior",
    "maj": "major",
    "gen": "general",
    "drs": "doctors",
    "rev": "reverend",
    "lt": "lieutenant",
    "hon": "honorable",
    "sgt": "sergeant",
    "capt": "captain",
    "esq": "esquire",
    "ltd": "limited",
    "col": "colonel",
    "ft": "fort",
}
_EXPANSIONS = [(re.compile(rf"\b{short}\."), word) for short, word in _ABBREVIATIONS.items()]
_SYMBOLS = str.maketrans(
    {
        ";": ",",
        ":": ",",
        "-": " ",
        "&": "and",
        **dict.fromkeys('()[]<>"'),
    }
)


def clean_english(text: str) -> str:
    """ASCII capitals with numbers and abbreviations spelt out.

    Raises:
        InputError: a letter beyond ASCII or a digit, and no extra `text-en`.
    """
    text = spell_numbers(_ascii(text).lower())
    for abbreviation, word in _EXPANSIONS:
        text = abbreviation.sub(word, text)
    return re.sub(r"\s+", " ", text.translate(_SYMBOLS).upper())


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    return str(package("unidecode", "text-en", "cleaner tacotron").unidecode(text))
