"""Icelandic by the package ice-g2p (`espnet2.text.phoneme_tokenizer.IsG2p`).

Its network runs on fairseq and PyTorch, so no extra of ours installs it.
"""

from __future__ import annotations

from collections.abc import Callable

from .packages import package

__all__ = ["g2p_is"]


def g2p_is() -> Callable[[str], list[str]]:
    """Phonemes with syllable marks. ESPnet passes no dialect on, so both choices are this one.

    Raises:
        InputError: no package ice-g2p.
    """
    module = package("ice_g2p.transcriber", "ice-g2p (it brings PyTorch)", "g2p g2p_is")
    transcriber = module.Transcriber(
        use_dict=True, syllab_symbol=".", stress_label=True, word_sep=",", lang_detect=True
    )

    def phonemes(text: str) -> list[str]:
        return str(transcriber.transcribe(text)).split()

    return phonemes
