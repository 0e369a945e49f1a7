"""English phonemes by the package g2p_en (`espnet2.text.phoneme_tokenizer.G2p_en`)."""

from __future__ import annotations

from collections.abc import Callable

from .packages import nltk_offline, package

__all__ = ["g2p_en"]

_DATA = {"taggers": "averaged_perceptron_tagger_eng", "corpora": "cmudict"}


def g2p_en(spaces: bool) -> Callable[[str], list[str]]:
    """Phonemes with stress; `spaces`: " " between words, too.

    Raises:
        InputError: no extra `text-en`, or no NLTK data.
    """
    user = "g2p g2p_en"
    with nltk_offline(_DATA, "text-en", user):
        convert = package("g2p_en", "text-en", user).G2p()

    def phonemes(text: str) -> list[str]:
        return [phoneme for phoneme in convert(text) if spaces or phoneme != " "]

    return phonemes
