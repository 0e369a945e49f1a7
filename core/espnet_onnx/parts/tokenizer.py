"""Token ids to text and back, as ESPnet's inference classes do it.

ESPnet's `Speech2Text` turns ids into tokens (`TokenIDConverter.ids2tokens`) and tokens into text
with a tokenizer built from the token type alone, so its other options stay at their defaults.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import BundleError, InputError

__all__ = ["TOKEN_TYPES", "Tokenizer", "build_tokenizer", "unspaced"]

_WORD_START = "\u2581"  # sentencepiece's mark for the space before a word
# Scripts written without spaces: kana, Han and its extensions. Their tokens count as words.
_UNSPACED = ((0x3041, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


def unspaced(character: str) -> bool:
    """Whether a character belongs to a script that puts no spaces between words."""
    return any(first <= ord(character) <= last for first, last in _UNSPACED)


class Tokenizer:
    """A vocabulary without a way to make text: what ESPnet uses where `token_type` is None.

    Args:
        token_list: the tokens, by id.
        unk_symbol: stands for tokens that are not in the list; must itself be in it.

    Raises:
        BundleError: a token occurs twice or `unk_symbol` is missing, as in ESPnet's
            `TokenIDConverter`.
    """

    def __init__(self, token_list: Sequence[str], unk_symbol: str = "<unk>") -> None:
        self.token_list = list(token_list)
        self._ids = {token: i for i, token in enumerate(self.token_list)}
        if len(self._ids) < len(self.token_list):
            twice = next(t for i, t in enumerate(self.token_list) if self._ids[t] != i)
            raise BundleError(f"token_list: {twice!r} occurs twice; export the model again")
        if unk_symbol not in self._ids:
            raise BundleError(f"token_list: {unk_symbol!r} is missing; export the model again")
        self._unk = self._ids[unk_symbol]

    def ids2tokens(self, ids: Iterable[int]) -> list[str]:
        """Tokens of ids."""
        return [self.token_list[i] for i in ids]

    def tokens2ids(self, tokens: Iterable[str]) -> list[int]:
        """Ids of tokens; unknown ones become the unknown symbol's."""
        return [self._ids.get(token, self._unk) for token in tokens]

    def tokens2text(self, tokens: Sequence[str]) -> str | None:
        """Text of tokens; None where the token type has no text."""
        return None

    def text2tokens(self, text: str) -> list[str]:
        """Tokens of a text, in the list or not.

        Raises:
            InputError: the token type has no text.
        """
        raise InputError(
            "this model has no tokenizer to split text with; give token ids, "
            "or export it with its sentencepiece model"
        )

    def text2ids(self, text: str) -> list[int]:
        """Ids of a text."""
        return self.tokens2ids(self.text2tokens(text))

    def words(self, tokens: Sequence[str]) -> list[list[int]]:
        """Indexes of the tokens of each word, in order; none without text.

        Words are what spaces separate in the text; in scripts without spaces every token is one.
        Tokens that show nothing (spaces) belong to no word.
        """
        return []


class _TextTokenizer(Tokenizer, ABC):
    """A tokenizer whose text is its tokens' surfaces, put together."""

    @abstractmethod
    def surfaces(self, tokens: Sequence[str]) -> list[str]:
        """Return what each token adds to the text, spaces included."""

    def tokens2text(self, tokens: Sequence[str]) -> str | None:
        return "".join(self.surfaces(tokens))

    def words(self, tokens: Sequence[str]) -> list[list[int]]:
        return _group(self.surfaces(tokens))


class _Char(_TextTokenizer):
    """Token type `char` (`espnet2.text.char_tokenizer.CharTokenizer`)."""

    def __init__(
        self,
        token_list: Sequence[str],
        unk_symbol: str = "<unk>",
        space_symbol: str = "<space>",
        non_linguistic_symbols: Iterable[str] = (),
    ) -> None:
        super().__init__(token_list, unk_symbol)
        self._space = space_symbol
        # The longest first: one symbol may begin with another, as ESPnet 202611 does.
        self._symbols = sorted(set(non_linguistic_symbols) - {""}, key=len, reverse=True)

    def surfaces(self, tokens: Sequence[str]) -> list[str]:
        return [" " if token == self._space else token for token in tokens]

    def text2tokens(self, text: str) -> list[str]:
        tokens = []
        while text:
            whole = next((s for s in self._symbols if text.startswith(s)), text[0])
            tokens.append(self._space if whole == " " else whole)
            text = text[len(whole) :]
        return tokens


class _Word(_TextTokenizer):
    """Token type `word` (`espnet2.text.word_tokenizer.WordTokenizer`)."""

    def __init__(
        self,
        token_list: Sequence[str],
        unk_symbol: str = "<unk>",
        delimiter: str | None = None,
    ) -> None:
        super().__init__(token_list, unk_symbol)
        self._delimiter = delimiter

    def surfaces(self, tokens: Sequence[str]) -> list[str]:
        gap = " " if self._delimiter is None else self._delimiter
        return [gap + token if i else token for i, token in enumerate(tokens)]

    def text2tokens(self, text: str) -> list[str]:
        return text.split(self._delimiter)

    def words(self, tokens: Sequence[str]) -> list[list[int]]:
        return [[i] for i in range(len(tokens))]


class _Phoneme(_TextTokenizer):
    """Token type `phn` (`espnet2.text.phoneme_tokenizer.PhonemeTokenizer` with no g2p).

    Phonemes are not invertible: ESPnet's text is the tokens without anything between them. Text
    to tokens splits at white space.
    """

    def __init__(
        self,
        token_list: Sequence[str],
        unk_symbol: str = "<unk>",
        space_symbol: str = "<space>",
    ) -> None:
        super().__init__(token_list, unk_symbol)
        self._space = space_symbol

    def surfaces(self, tokens: Sequence[str]) -> list[str]:
        return list(tokens)

    def text2tokens(self, text: str) -> list[str]:
        return text.split()

    def words(self, tokens: Sequence[str]) -> list[list[int]]:
        return _group([" " if token == self._space else token for token in tokens])


class _SentencePiece(_TextTokenizer):
    """Token type `bpe` (`espnet2.text.sentencepiece_tokenizer.SentencepiecesTokenizer`)."""

    def __init__(
        self, token_list: Sequence[str], unk_symbol: str = "<unk>", *, bpemodel: Path
    ) -> None:
        super().__init__(token_list, unk_symbol)
        self._path = bpemodel
        self._loaded: Any = None
        if not bpemodel.is_file():
            raise BundleError(f"{bpemodel}: no such sentencepiece model; export the model again")

    @property
    def _model(self) -> Any:
        if self._loaded is None:
            from sentencepiece import SentencePieceProcessor

            model = SentencePieceProcessor()
            try:
                model.load(str(self._path))
            except (OSError, RuntimeError) as error:
                raise BundleError(
                    f"{self._path}: cannot be read as a sentencepiece model; export the model again"
                ) from error
            self._loaded = model
        return self._loaded

    def surfaces(self, tokens: Sequence[str]) -> list[str]:
        if not tokens:  # sentencepiece takes no tokens for no sentences
            return []
        model = self._model
        # sentencepiece 0.2.3 renamed it.
        decode = getattr(model, "decode_pieces_as_proto", None)
        decode = decode or model.decode_pieces_as_immutable_proto
        return [piece.surface for piece in decode(list(tokens)).pieces]

    def tokens2text(self, tokens: Sequence[str]) -> str | None:
        return str(self._model.DecodePieces(list(tokens)))

    def text2tokens(self, text: str) -> list[str]:
        return list(self._model.EncodeAsPieces(text))

    def words(self, tokens: Sequence[str]) -> list[list[int]]:
        # At the start of a text the mark's surface is empty, as a first byte's of a character is.
        pairs = zip(tokens, self.surfaces(tokens), strict=True)
        return _group([" " if token == _WORD_START else surface for token, surface in pairs])


_KINDS: Mapping[str, tuple[type[Tokenizer], tuple[str, ...]]] = {
    "bpe": (_SentencePiece, ()),
    "char": (_Char, ("space_symbol", "non_linguistic_symbols")),
    "word": (_Word, ("delimiter",)),
    "phn": (_Phoneme, ("space_symbol",)),
}
TOKEN_TYPES = tuple(_KINDS)


def build_tokenizer(config: Mapping[str, Any], files: Mapping[str, Path]) -> Tokenizer:
    """Build what `espnet2.bin.asr_inference.Speech2Text` makes of a token type.

    Args:
        config: `token_type` (one of TOKEN_TYPES, or None: no text), `token_list` and, where they
            differ from ESPnet's defaults, `unk_symbol`, `space_symbol`, `delimiter` and
            `non_linguistic_symbols` (a list).
        files: `bpemodel`, the sentencepiece model of `bpe`; without it there is no text, as in
            ESPnet. It is read at first use.

    Raises:
        BundleError: an unknown token type, a broken token list or a missing sentencepiece model.
    """
    token_type = config.get("token_type")
    options = {"unk_symbol": config.get("unk_symbol", "<unk>")}
    if token_type is None or (token_type == "bpe" and "bpemodel" not in files):
        return Tokenizer(config["token_list"], **options)
    if token_type not in _KINDS:
        raise BundleError(
            f"token_type {token_type!r} is unknown; give one of {', '.join(TOKEN_TYPES)}"
        )
    kind, names = _KINDS[token_type]
    options |= {name: config[name] for name in names if name in config}
    if token_type == "bpe":
        options["bpemodel"] = Path(files["bpemodel"])
    return kind(config["token_list"], **options)


def _group(surfaces: Sequence[str]) -> list[list[int]]:
    """Group tokens by the words that their surfaces make."""
    groups: list[list[int]] = []
    waiting: list[int] = []  # tokens of bytes, shown only by the last byte of a character
    before = " "  # the last character shown
    for i, surface in enumerate(surfaces):
        if not surface:
            waiting.append(i)
        elif surface.isspace():
            waiting, before = [], surface
        else:
            if not groups or _parts(before, surface[0]):
                groups.append([])
            groups[-1] += [*waiting, i]
            waiting, before = [], surface[-1]
    return groups


def _parts(before: str, after: str) -> bool:
    """Whether a word ends between two neighbouring characters."""
    if before.isspace() or after.isspace():
        return True
    return unspaced(after) or (unspaced(before) and after.isalnum())
