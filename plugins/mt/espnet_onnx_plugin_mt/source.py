"""What is to be translated, as token ids.

Shapes: L tokens.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from espnet_onnx.errors import InputError
from espnet_onnx.parts.tokenizer import Tokenizer
from espnet_onnx.types import Array

__all__ = ["Source"]


@attrs.frozen
class Source:
    """`MutliTokenizerCommonPreprocessor` for source texts, and `ESPnetMTModel._extract_feats`.

    Attributes:
        tokenizer: of the source language.
        sos: its last token.
        patch_size: how many of these stand in front of every text.
        patch: the length is a multiple of it, these included.
    """

    tokenizer: Tokenizer
    sos: int
    patch_size: int
    patch: int

    def __call__(self, text: Any) -> Array:
        """Ids (L,) int64 of a text, of the `Path` of a UTF-8 file with one, or of ids.

        Raises:
            InputError: a file that cannot be read, a text without tokens, ids that the vocabulary
                lacks, or a length that makes no whole frames.
        """
        if isinstance(text, os.PathLike):
            text = _contents(Path(text))
        ids = self._ids_of(text) if isinstance(text, str) else self._checked(text)
        if len(ids) == 0:
            raise InputError("the text is empty: give a text to translate")
        if (len(ids) + self.patch_size) % self.patch:
            raise InputError(
                f"the text has {len(ids)} tokens, and {self.patch} make a frame: give a multiple"
                f" of {self.patch}, less {self.patch_size % self.patch}"
            )
        return ids

    def started(self, ids: Array) -> Array:
        """(L,) ids with <sos> in front, `patch_size` times."""
        return np.concatenate([np.full(self.patch_size, self.sos, np.int64), ids])

    def _ids_of(self, text: str) -> Array:
        return np.array(self.tokenizer.text2ids(text), np.int64)

    def _checked(self, given: Any) -> Array:
        ids = np.asarray(given)
        if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
            raise InputError(
                f"{type(given).__name__} is no text: give a text, the Path of a file with one, or"
                " a flat list of token ids"
            )
        ids = ids.astype(np.int64)
        size = len(self.tokenizer.token_list)
        if ids.size and not 0 <= ids.min() <= ids.max() < size:
            raise InputError(f"token ids go from 0 to {size - 1} here: give ids of this vocabulary")
        return ids


def _contents(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text ({error}): check it") from error
