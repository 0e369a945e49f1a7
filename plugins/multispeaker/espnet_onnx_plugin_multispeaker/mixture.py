"""What recognising a mixture returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from espnet_onnx.parts.result import Recognition

__all__ = ["Mixture"]


@attrs.frozen
class Mixture(Recognition):
    """What all speakers of a recording say; `mixture.speakers[0].text` is the first one's.

    `text` has a line a speaker, and tokens and ids follow each other likewise; `score` is the sum
    of theirs. Times, words and n-best lists are those of each speaker alone.

    Attributes:
        speakers: one result a speaker, in the order of the model's outputs.
    """

    speakers: tuple[Recognition, ...] = ()

    @classmethod
    def of(cls, speakers: Sequence[Recognition]) -> Mixture:
        """The results of one recording's speakers together."""
        texts = [speaker.text for speaker in speakers if speaker.text is not None]
        first = speakers[0]
        return cls(
            "\n".join(texts) if len(texts) == len(speakers) else None,
            tokens=tuple(token for speaker in speakers for token in speaker.tokens),
            ids=tuple(i for speaker in speakers for i in speaker.ids),
            score=sum(speaker.score for speaker in speakers),
            notes=tuple(dict.fromkeys(note for speaker in speakers for note in speaker.notes)),
            duration=first.duration,
            speakers=tuple(speakers),
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values; `speakers` has those of each."""
        speakers = [speaker.as_dict() for speaker in self.speakers]
        return {**super().as_dict(), "speakers": speakers}
