"""Translates texts, or recognises speech from its discrete units.

Shapes: L tokens, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from espnet_onnx import Node
from espnet_onnx.errors import AudioError, InputError
from espnet_onnx.parts.audio import Audio
from espnet_onnx.parts.recognizer import Recognizer
from espnet_onnx.parts.result import Recognition
from espnet_onnx.parts.tokenizer import build_tokenizer
from espnet_onnx.parts.transcript import Transcript
from espnet_onnx.types import Array

from .frontend_runtime import TokenFrontend
from .source import Source

__all__ = ["Translator"]


class _Behind(Recognizer):
    """What comes behind the embeddings: a recogniser of features that are no sound."""

    def results(
        self, audios: Sequence[Audio], transcripts: Sequence[Transcript]
    ) -> list[Recognition]:
        """`Text2Text` drops every <sos/eos>, and frames of a text are no time."""
        ends = (self.searcher.sos, self.searcher.eos)
        return [t.without(*ends).untimed(self.tokenizer) for t in transcripts]


@attrs.frozen
class Translator:
    """espnet2.bin.mt_inference.Text2Text: `translator("ein Text").text`.

    Attributes:
        source: reads what is to be translated.
        frontend: embeds it.
        behind: everything else.
    """

    source: Source
    frontend: TokenFrontend
    behind: Recognizer

    @classmethod
    def from_node(cls, node: Node, children: Mapping[str, Any]) -> Translator:
        """The translator of a bundle's root node."""
        source = node.config["source"]
        files = {n.removeprefix("src_"): f for n, f in node.files.items() if n.startswith("src_")}
        rest = dict(children)
        frontend = rest.pop("frontend")
        reader = Source(
            build_tokenizer(source, files), source["sos"], source["patch_size"], frontend.patch
        )
        return cls(reader, frontend, _Behind.from_node(node, rest))

    @property
    def decoding(self) -> Any:
        """Search settings; keyword arguments of a call replace them for that call."""
        return self.behind.decoding

    def __call__(self, text: Any, **decoding: Any) -> Recognition:
        """Translate one text.

        Args:
            text: a text, the `Path` of a UTF-8 file that holds one, or token ids (L,).
            decoding: settings of `Decoding` to change for this call.

        Raises:
            InputError: there is nothing to translate, or too little of it for the model; a
                setting that does not fit this model.
        """
        return self.batch([text], **decoding)[0]

    def batch(
        self, texts: Sequence[Any], *, batch_size: int = 16, **decoding: Any
    ) -> list[Recognition]:
        """Translate many texts, `batch_size` at a time, results in the given order.

        Each result is what the text gives when translated alone.
        """
        feats = [self._embed(self.source(text)) for text in texts]
        try:
            return self.behind.batch(feats, batch_size=batch_size, **decoding)
        except AudioError as error:
            why = str(error).removeprefix("features: ").removesuffix(": give longer audio")
            raise InputError(f"a text is {why}: give longer texts") from None

    def read(self, text: Any) -> tuple[Array, ...]:
        """What ESPnet's own inference takes for a text, in the order of its arguments."""
        return (self.source(text),)

    def self_check(self) -> str | None:
        """Translate a few tokens; a problem, or None."""
        patch = self.source.patch
        ids = np.arange(8 * patch - self.source.patch_size % patch) % self.source.sos
        result = self(ids, maxlenratio=-3, beam_size=2)
        return None if np.isfinite(result.score) else f"score {result.score} of some tokens"

    def _embed(self, ids: Array) -> Array:
        """(L,) ids -> (T, D), <sos> in front of them."""
        tokens = self.source.started(ids)[None]
        feats, _ = self.frontend(tokens, np.array([tokens.shape[1]]))
        embedded: Array = feats[0]
        return embedded
