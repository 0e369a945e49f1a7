"""Korean by the package g2pk (`espnet2.text.phoneme_tokenizer.G2pk`): letters as they sound."""

from __future__ import annotations

from collections.abc import Callable

from .packages import nltk_offline, package

__all__ = ["g2pk"]


def g2pk() -> Callable[[str], list[str]]:
    """Letters of the syllables as pronounced, " " between words.

    Raises:
        InputError: no extra `text-ko`, or no NLTK data.
    """
    user = "g2p g2pk"
    with nltk_offline({"corpora": "cmudict"}, "text-ko", user):
        convert = package("g2pk", "text-ko", user).G2p()

    def letters(text: str) -> list[str]:
        return list(convert(text, descriptive=False, group_vowels=False, to_syl=False))

    return letters
