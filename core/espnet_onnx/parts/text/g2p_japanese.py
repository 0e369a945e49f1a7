"""Japanese by pyopenjtalk (`espnet2.text.phoneme_tokenizer.pyopenjtalk_g2p*`).

Open JTalk describes every phoneme by a full-context label; fields are named as in the list of the
HTS system: p3 the phoneme; a1 the mora's distance from the accent, a2 and a3 its place counted from
the front and from the end of the accent phrase; e3 whether the phrase before is a question; f1 and
f2 the moras and the accent of the phrase.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from .packages import package

__all__ = ["accents", "kana", "phonemes", "prosody"]

_PHONEME = re.compile(r"-(.*?)\+")
_ACCENT = re.compile(r"-(.*?)\+.*?/A:([0-9-]+).*?/F:.*?_([0-9]+)")
_A1 = re.compile(r"/A:([0-9-]+)\+")
_A2 = re.compile(r"\+(\d+)\+")
_A3 = re.compile(r"\+(\d+)/")
_E3 = re.compile(r"!(\d+)_")
_F1 = re.compile(r"/F:(\d+)_")
_ABSENT = -50  # of a field that a label lacks: no neighbour of any number
_MORAIC = {*"aeiouAEIOUN", "cl"}


def phonemes() -> Callable[[str], list[str]]:
    """Phonemes; raises InputError without `text-ja` or its dictionary."""
    talk = _pyopenjtalk()
    return lambda text: str(talk.g2p(text, kana=False)).split(" ")


def kana() -> Callable[[str], list[str]]:
    """Katakana as pronounced; raises InputError without `text-ja` or its dictionary."""
    talk = _pyopenjtalk()
    return lambda text: list(talk.g2p(text, kana=True))


def accents(pauses: bool) -> Callable[[str], list[str]]:
    """Phoneme, f2 and a1 in turns; `pauses`: "pau" for each pause, too.

    Raises:
        InputError: no extra `text-ja`, or no dictionary.
    """
    labels_of = _labels(_pyopenjtalk())

    def described(text: str) -> Iterator[str]:
        for label in labels_of(text):
            found = _ACCENT.search(label)
            if pauses and _phoneme(label) == "pau":
                yield "pau"
            elif found:
                phoneme, a1, f2 = found.groups()
                yield from (phoneme, f2, a1)

    return lambda text: list(described(text))


def prosody() -> Callable[[str], list[str]]:
    """Phonemes with marks of prosody (Kurihara et al. 2021, doi 10.1587/transinf.2020EDP7104).

    "^" begins and "$" or "?" ends, "_" is a pause, "#" an accent phrase's end, "[" and "]" the
    pitch that rises and falls.

    Raises:
        InputError: no extra `text-ja`, or no dictionary.
    """
    labels_of = _labels(_pyopenjtalk())

    def marked(text: str) -> list[str]:
        labels = labels_of(text)
        return [symbol for n in range(len(labels)) for symbol in _symbols(labels, n)]

    return marked


def _symbols(labels: Sequence[str], n: int) -> list[str]:
    """Symbols of label n: a phoneme and the mark that follows it."""
    phoneme = _phoneme(labels[n])
    if phoneme == "sil":
        return ["^"] if n == 0 else _ending(labels[n])
    if phoneme == "pau":
        return ["_"]
    # Vowels without voice are capitals.
    phoneme = phoneme.lower() if phoneme in "AEIOU" else phoneme
    return [phoneme, *_mark(phoneme, labels[n], labels[n + 1])]


def _ending(label: str) -> list[str]:
    return {0: ["$"], 1: ["?"]}.get(_number(_E3, label), [])


def _mark(phoneme: str, label: str, following: str) -> list[str]:
    a1, a2, a3, f1 = (_number(field, label) for field in (_A1, _A2, _A3, _F1))
    a2_next = _number(_A2, following)
    if a3 == 1 and a2_next == 1 and phoneme in _MORAIC:
        return ["#"]
    if a1 == 0 and a2_next == a2 + 1 and a2 != f1:
        return ["]"]
    return ["["] if (a2, a2_next) == (1, 2) else []


def _phoneme(label: str) -> str:
    found = _PHONEME.search(label)
    return found[1] if found else ""


def _number(field: re.Pattern[str], label: str) -> int:
    found = field.search(label)
    return int(found[1]) if found else _ABSENT


def _labels(talk: Any) -> Callable[[str], list[str]]:
    if hasattr(talk, "make_label"):
        return lambda text: list(talk.make_label(talk.run_frontend(text)))
    return lambda text: list(talk.run_frontend(text)[1])  # before 0.3


def _pyopenjtalk() -> Any:
    """The package, whose dictionary must be there: it would fetch it."""
    user = "g2p pyopenjtalk"
    talk = package("pyopenjtalk", "text-ja", user)
    folder = Path(os.fsdecode(talk.OPEN_JTALK_DICT_DIR))
    if not folder.is_dir():
        raise InputError(
            f"{user} needs Open JTalk's dictionary, and nothing here fetches it: run"
            ' python -c "import pyopenjtalk; pyopenjtalk.g2p(str())" where there is a network, or'
            " set OPEN_JTALK_DICT_DIR"
        )
    return talk
