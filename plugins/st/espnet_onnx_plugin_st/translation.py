"""What translating a recording returns where the model transcribes it on the way."""

from __future__ import annotations

from typing import Any

import attrs

from espnet_onnx.parts.audio import Audio
from espnet_onnx.parts.result import Recognition
from espnet_onnx.parts.tokenizer import Tokenizer
from espnet_onnx.parts.transcript import Transcript

__all__ = ["Translated", "Translation"]


@attrs.frozen
class Translation(Recognition):
    """A translation, and the transcript that it was made from.

    Attributes:
        transcript: what was said, in the source language, with its own n-best list.
    """

    transcript: Recognition | None = attrs.field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        heard = None if self.transcript is None else self.transcript.as_dict()
        # Named: slots make a new class, which `super()` without arguments does not know.
        return {**Recognition.as_dict(self), "transcript": heard}


@attrs.frozen
class Translated(Transcript):
    """The n-best translations of one utterance.

    Attributes:
        source: the n-best transcripts.
        source_tokenizer: of the source language.
    """

    source: Transcript = attrs.field(kw_only=True)
    source_tokenizer: Tokenizer = attrs.field(kw_only=True)

    def recognition(self, tokenizer: Tokenizer, audio: Audio) -> Translation:
        """The result for one recording."""
        result = Transcript.recognition(self, tokenizer, audio)
        heard = self.source.recognition(self.source_tokenizer, audio)
        fields = {field.name: getattr(result, field.name) for field in attrs.fields(Recognition)}
        return Translation(**fields, transcript=heard)
