"""Runs a multi-speaker model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs

import espnet_onnx as eo
from espnet_onnx.parts.audio import Audio
from espnet_onnx.parts.recognizer import Recognizer
from espnet_onnx.parts.result import Recognition
from espnet_onnx.parts.transcript import Transcript

from .mixture import Mixture

__all__ = ["MultiSpeakerRecognizer", "build_root"]


@attrs.define
class MultiSpeakerRecognizer(Recognizer):
    """`asr("mixture.flac").speakers[0].text`; every result is a `Mixture`.

    The search sees each speaker of each recording as an utterance of its own.

    Attributes:
        speakers: how many the model hears, whoever speaks.
        whole_only: why long recordings are not cut into pieces.
    """

    speakers: int = 1
    whole_only: ClassVar[str] = "who is first in one piece of a mixture may be second in the next"

    def results(
        self, audios: Sequence[Audio], transcripts: Sequence[Transcript]
    ) -> list[Recognition]:
        """One `Mixture` for every recording."""
        count = self.speakers
        each = super().results([audio for audio in audios for _ in range(count)], transcripts)
        return [Mixture.of(each[i : i + count]) for i in range(0, len(each), count)]


def build_root(node: eo.Node, children: Mapping[str, Any]) -> MultiSpeakerRecognizer:
    """The recogniser of a bundle's root node."""
    recognizer = MultiSpeakerRecognizer.from_node(node, children)
    return attrs.evolve(recognizer, speakers=node.config["speakers"])
