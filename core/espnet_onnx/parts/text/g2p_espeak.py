"""IPA by eSpeak NG through the package phonemizer (`espnet2.text.phoneme_tokenizer.Phonemizer`)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from ctypes.util import find_library
from typing import Any

from ...errors import InputError, one_line
from .packages import package

__all__ = ["VOICES", "espeak", "espeak_characters"]

VOICES = {
    "arabic": "ar",
    "german": "de",
    "french": "fr-fr",
    "spanish": "es",
    "russian": "ru",
    "greek": "el",
    "finnish": "fi",
    "hungarian": "hu",
    "dutch": "nl",
    "hindi": "hi",
    "italian": "it",
    "polish": "pl",
}
_EXTRA = "text-espeak"
_LIBRARY = "PHONEMIZER_ESPEAK_LIBRARY"  # phonemizer's own variable


def espeak(voice: str) -> Callable[[str], list[str]]:
    """Phonemes of a voice of eSpeak NG; raises InputError without `text-espeak`."""
    speak = _phonemizer(voice, phone=" ", word=None, strip=False)
    return lambda text: speak(text).split()


def espeak_characters() -> Callable[[str], list[str]]:
    """American English, one token a character; raises InputError without `text-espeak`."""
    speak = _phonemizer("en-us", phone="", word=" ", strip=True)
    return lambda text: [c.replace(" ", "<space>") for c in speak(text)]


def _phonemizer(voice: str, *, phone: str, word: str | None, strip: bool) -> Callable[[str], str]:
    user = "g2p espeak_ng"
    backends = package("phonemizer.backend", _EXTRA, user)
    separators = package("phonemizer.separator", _EXTRA, user)
    logger = logging.getLogger("phonemizer")
    logger.setLevel(logging.ERROR)  # it warns of every text whose word count changes
    _find_espeak(user)
    try:
        backend = backends.BACKENDS["espeak"](
            language=voice, with_stress=True, preserve_punctuation=True, logger=logger
        )
    except RuntimeError as error:
        raise InputError(
            f"{user} cannot start eSpeak NG ({one_line(error)}): install espeak-ng, or"
            f" pip install 'espnet-onnx[{_EXTRA}]'"
        ) from error
    separator = separators.Separator(word=word, syllable=None, phone=phone)

    def speak(text: str) -> str:
        # phonemizer drops empty lines, at which ESPnet fails.
        lines = backend.phonemize([text], separator=separator, strip=strip, njobs=1)
        return str(lines[0]) if lines else ""

    return speak


def _find_espeak(user: str) -> None:
    """Use the library that a package brings where the system has none, and none is set."""
    if find_library("espeak-ng") or find_library("espeak") or _LIBRARY in os.environ:
        return
    wrapper: Any = package("phonemizer.backend.espeak.wrapper", _EXTRA, user).EspeakWrapper
    if wrapper._ESPEAK_LIBRARY is None:  # noqa: SLF001  # somebody's choice stays
        loader = package("espeakng_loader", _EXTRA, user)
        wrapper.set_library(loader.get_library_path())
        wrapper.set_data_path(loader.get_data_path())
