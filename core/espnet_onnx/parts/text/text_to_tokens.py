"""A text as token ids: `espnet2.train.preprocessor.CommonPreprocessor`, not in training."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import attrs

from ...errors import BundleError, InputError, one_line
from ..tokenizer import Tokenizer, build_tokenizer
from .cleaners import cleaner
from .g2p import check_g2p, load_g2p

__all__ = ["TextToTokens", "TextTokens"]

log = logging.getLogger("espnet_onnx")
_MOST_NAMED = 10  # of what a warning lists


@attrs.frozen
class TextTokens:
    """A text as a model reads it.

    Attributes:
        tokens: as the tokenizer made them.
        ids: theirs, the unknown symbol's for what the model's list lacks.
        unknown: how often each token came that the list lacks.
    """

    tokens: list[str]
    ids: list[int]
    unknown: Mapping[str, int]


class TextToTokens:
    """Cleaners, tokenizer and token list of a model; packages load at the first text.

    Where ESPnet's versions differ (symbols of a `char` model that begin alike) it is 202611's way.

    Args:
        tokenizer: of the token type; its `text2tokens` is not asked where there is a g2p.
        clean: the cleaners.
        load: gives the g2p of token type `phn`; None for other types.
        unk_symbol: what stands for unknown tokens.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        clean: Callable[[str], str] = str,
        load: Callable[[], Callable[[str], list[str]]] | None = None,
        unk_symbol: str = "<unk>",
    ) -> None:
        self.tokenizer = tokenizer
        self.unk_symbol = unk_symbol
        self._clean = clean
        self._load = load
        self._named: set[str] = set()

    @classmethod
    def of(cls, config: Mapping[str, Any], files: Mapping[str, Path]) -> TextToTokens:
        """Build what `TTSTask.build_preprocess_fn` makes of a config.

        Args:
            config: ESPnet's keys `token_type`, `token_list`, `cleaner`, `g2p` and
                `non_linguistic_symbols` (a list; a path is not followed, as ESPnet ignores one that
                is gone), and those of `build_tokenizer`. No token type: only ids can be given.
            files: `bpemodel`, and `non_linguistic_symbols`, one a line.

        Raises:
            BundleError: a name that ESPnet does not know, or a broken token list or file.
        """
        options = {**config, "non_linguistic_symbols": _symbols(config, files)}
        load = None
        if config.get("token_type") == "phn":
            g2p = config.get("g2p")
            check_g2p(g2p)
            load = partial(load_g2p, g2p)
        return cls(
            build_tokenizer(options, files),
            cleaner(config.get("cleaner")),
            load,
            config.get("unk_symbol", "<unk>"),
        )

    def __call__(self, text: str) -> list[int]:
        """Ids (L,) of a text, with a warning of each unknown token once; raises as `read` does."""
        found = self.read(text)
        self._warn(found.unknown)
        return found.ids

    def read(self, text: str) -> TextTokens:
        """A text as tokens and ids, with what was unknown.

        Raises:
            InputError: the text is empty, none of its tokens is in the model's list, a package or
                its data is not installed, or a package cannot read the text.
        """
        if not text.strip():
            raise InputError("the text is empty: give a text to speak")
        tokens = self.tokens(text)
        found = self.ids(tokens)
        if len(tokens) == sum(found.unknown.values()):
            raise InputError(_nothing(text, tokens))
        return found

    def tokens(self, text: str) -> list[str]:
        """Tokens of a text, in the model's list or not; raises as `read` does."""
        try:
            return self._tokenize(self._clean(text))
        except InputError:
            raise
        except Exception as error:  # of somebody's package
            raise InputError(
                f"{_excerpt(text)} cannot be turned into tokens ({one_line(error)}): write it in"
                " other words"
            ) from error

    def ids(self, tokens: Iterable[str]) -> TextTokens:
        """Tokens that are ready, phonemes by hand for example, as ids."""
        tokens = list(tokens)
        ids = self.tokenizer.tokens2ids(tokens)
        (unk,) = self.tokenizer.tokens2ids([self.unk_symbol])
        pairs = zip(tokens, ids, strict=True)
        unknown = Counter(token for token, i in pairs if i == unk and token != self.unk_symbol)
        return TextTokens(tokens, ids, unknown)

    def _warn(self, unknown: Iterable[str]) -> None:
        new = [token for token in unknown if token not in self._named]
        if not new:
            return
        self._named.update(new)
        names = ", ".join(map(repr, new[:_MOST_NAMED]))
        more = f" and {len(new) - _MOST_NAMED} more" if len(new) > _MOST_NAMED else ""
        log.warning("the model does not know %s%s: read as %s", names, more, self.unk_symbol)

    @cached_property
    def _tokenize(self) -> Callable[[str], list[str]]:
        return self.tokenizer.text2tokens if self._load is None else self._load()


def _symbols(config: Mapping[str, Any], files: Mapping[str, Path]) -> list[str]:
    given = config.get("non_linguistic_symbols")
    if "non_linguistic_symbols" not in files:
        return [] if given is None or isinstance(given, str) else list(given)
    path = Path(files["non_linguistic_symbols"])
    try:
        return [line.rstrip() for line in path.read_text("utf-8").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(
            f"{path}: cannot be read as a list of symbols ({one_line(error)}); export the model"
            " again"
        ) from error


def _nothing(text: str, tokens: list[str]) -> str:
    if not tokens:
        return f"nothing is left of {_excerpt(text)} to speak: give a text with words"
    return (
        f"{_excerpt(text)} has no token that the model knows (it became"
        f" {_excerpt(' '.join(tokens))}): give a text in the model's language"
    )


def _excerpt(text: str, limit: int = 40) -> str:
    return repr(text if len(text) <= limit else text[: limit - 1] + "\u2026")
