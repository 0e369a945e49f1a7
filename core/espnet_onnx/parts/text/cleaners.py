"""Cleaners by ESPnet's names (`espnet2.text.cleaner.TextCleaner`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...errors import BundleError
from .english_cleaner import clean_english
from .korean import clean_korean
from .packages import package

__all__ = ["CLEANERS", "cleaner"]


def _japanese(text: str) -> str:
    module = package("jaconv", "text-ja", "cleaner jaconv")
    return str(module.normalize(text))


def _vietnamese(text: str) -> str:
    home = "vietnamese_cleaner.vietnamese_cleaners"
    module = package(home, "text-vi", "cleaner vietnamese")
    return str(module.vietnamese_cleaner(text))


_CLEANERS: Mapping[str, Callable[[str], str]] = {
    "tacotron": clean_english,
    "jaconv": _japanese,
    "vietnamese": _vietnamese,
    "korean_cleaner": clean_korean,
}
CLEANERS = tuple(_CLEANERS)


def cleaner(names: str | Sequence[str] | None) -> Callable[[str], str]:
    """What the named cleaners do, one after the other.

    Raises:
        BundleError: a name that ESPnet's text-to-speech tasks do not have.
    """
    chosen = [names] if isinstance(names, str) else list(names or ())
    unknown = [name for name in chosen if name not in _CLEANERS]
    if unknown:
        raise BundleError(
            f"cleaner {unknown[0]!r} is unknown; there are {', '.join(CLEANERS)}: give token ids"
        )

    def clean(text: str) -> str:
        for name in chosen:
            text = _CLEANERS[name](text)
        return text

    return clean
