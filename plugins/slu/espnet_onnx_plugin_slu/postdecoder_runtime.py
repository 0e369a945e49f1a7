"""A transcript's encoder at run time: its tokenizer, and one graph.

Shapes: B utterances, L pieces of the transcript, E width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.errors import BundleError, one_line
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

from .postdecoder_claim import LONGEST

__all__ = ["PostDecoder", "build_postdecoder"]


@attrs.frozen
class PostDecoder:
    """Role `postdecoder`: texts to what a BERT makes of their pieces.

    Attributes:
        session: the graph.
        tokenizer: of the package `tokenizers`.
        cls: id that goes before a text.
        sep: id that goes behind it.
        unk: id of pieces that have none.
    """

    session: Session
    tokenizer: Any = attrs.field(repr=False)
    cls: int
    sep: int
    unk: int

    def __call__(self, texts: Sequence[str]) -> tuple[Array, Array]:
        """B texts -> (B, L, E) and lengths (B,)."""
        pieces = [self.pieces(text) for text in texts]
        lengths = np.array([len(p) for p in pieces], np.int64)
        batch = np.zeros((len(pieces), lengths.max()), np.int64)
        for row, ids in zip(batch, pieces, strict=True):
            row[: len(ids)] = ids
        (out,) = self.session(transcript=batch, transcript_lengths=lengths)
        return out, lengths

    def pieces(self, text: str) -> list[int]:
        """Ids of a text; `HuggingFaceTransformersPostDecoder.convert_examples_to_features`."""
        tokens = self.tokenizer.encode(text, add_special_tokens=False).tokens[: LONGEST - 2]
        found = (self.tokenizer.token_to_id(token) for token in tokens)
        return [self.cls, *(self.unk if i is None else i for i in found), self.sep]


def build_postdecoder(node: eo.Node, open_session: Callable[[str], Session]) -> PostDecoder:
    """The transcript's encoder of a bundle's node.

    Raises:
        BundleError: the package `tokenizers` is missing, or cannot read the bundle's file.
    """
    config = node.config
    tokenizer = _tokenizer(node.files["tokenizer.json"])
    session = open_session("postdecoder")
    return PostDecoder(session, tokenizer, config["cls"], config["sep"], config["unk"])


def _tokenizer(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise BundleError(
            f"{path.name}: transcripts are split by the package tokenizers, which is missing:"
            " pip install tokenizers"
        ) from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    # tokenizers raises bare Exceptions.
    except Exception as error:
        raise BundleError(
            f"{path.name}: the package tokenizers cannot read it ({one_line(error)}): update"
            " tokenizers, or export again"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
