"""Grapheme to phoneme by ESPnet's names (`espnet2.text.phoneme_tokenizer.PhonemeTokenizer`).

Each name stands for a factory: what it needs is imported when it is called. ESPnet lists
`espeak_ng_ukrainian`, too, and builds nothing for it, so no model can have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from ...errors import BundleError
from .g2p_english import g2p_en
from .g2p_espeak import VOICES, espeak, espeak_characters
from .g2p_icelandic import g2p_is
from .g2p_japanese import accents, kana, phonemes, prosody
from .g2p_korean import g2pk
from .g2p_mandarin import initials_and_finals, joined_phones, syllables
from .korean import jaso

__all__ = ["G2P_CHOICES", "check_g2p", "load_g2p"]

G2p = Callable[[str], list[str]]


def _no_spaces(make: Callable[[], G2p]) -> G2p:
    convert = make()
    return lambda text: [token for token in convert(text) if token != " "]


def _named_spaces(make: Callable[[], G2p]) -> G2p:
    convert = make()
    return lambda text: ["<space>" if token == " " else token for token in convert(text)]


def _at_spaces(text: str) -> list[str]:
    """Phonemes that are given, one space between two; three spaces are a phoneme " "."""
    if "   " not in text:
        return text.split(" ")
    tokens = text.replace("   ", " <space> ").split(" ")
    return [token.replace("<space>", " ") for token in tokens]


_FACTORIES: Mapping[str | None, Callable[[], G2p]] = {
    None: lambda: _at_spaces,
    "g2p_en": partial(g2p_en, spaces=True),
    "g2p_en_no_space": partial(g2p_en, spaces=False),
    "pyopenjtalk": phonemes,
    "pyopenjtalk_kana": kana,
    "pyopenjtalk_accent": partial(accents, pauses=False),
    "pyopenjtalk_accent_with_pause": partial(accents, pauses=True),
    "pyopenjtalk_prosody": prosody,
    "pypinyin_g2p": syllables,
    "pypinyin_g2p_phone": initials_and_finals,
    "pypinyin_g2p_phone_without_prosody": joined_phones,
    **{f"espeak_ng_{language}": partial(espeak, voice) for language, voice in VOICES.items()},
    "espeak_ng_english_us_vits": espeak_characters,
    "g2pk": g2pk,
    "g2pk_no_space": partial(_no_spaces, g2pk),
    "g2pk_explicit_space": partial(_named_spaces, g2pk),
    "korean_jaso": partial(_named_spaces, lambda: jaso),
    "korean_jaso_no_space": partial(_no_spaces, lambda: jaso),
    "g2p_is": g2p_is,
    "g2p_is_north": g2p_is,
}
G2P_CHOICES = tuple(_FACTORIES)


def check_g2p(name: str | None) -> None:
    """Refuse a name that ESPnet does not build; raises BundleError."""
    if name not in _FACTORIES:
        known = ", ".join(str(choice) for choice in G2P_CHOICES)
        raise BundleError(f"g2p {name!r} is unknown; there are {known}: give token ids")


def load_g2p(name: str | None) -> G2p:
    """What turns text into phonemes.

    Raises:
        InputError: its package or its data are not installed.
    """
    check_g2p(name)
    return _FACTORIES[name]()
