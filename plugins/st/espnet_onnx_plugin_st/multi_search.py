"""The search of a multi-decoder model: transcribe, read the transcript's states, translate.

Shapes: B utterances, T frames, U states of the transcript, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from espnet_onnx import Node
from espnet_onnx.parts.batch import pad
from espnet_onnx.parts.decoding import Decoding
from espnet_onnx.parts.tokenizer import Tokenizer, build_tokenizer
from espnet_onnx.parts.transcript import Searcher, Transcript
from espnet_onnx.roles import Encoded, Encoder, Transform
from espnet_onnx.types import Array

from .settings import MultiDecoding
from .states_runtime import DecoderStates
from .translation import Translated
from .two_sources import pack, speech_of

__all__ = ["MultiDecoderSearch"]


@attrs.frozen
class MultiDecoderSearch:
    """`Speech2Text.__call__` of st where the model has an `md_encoder`, behind its encoder.

    Attributes:
        transcriber: finds the transcript in the encoder's output.
        states: what the transcript's decoder thinks at every token.
        md_encoder: encodes these.
        translator: finds the translation.
        after: stages between the encoder and the translation's speech.
        speech: whether the translation attends to speech beside the states.
        tokenizer: of the transcript.
    """

    transcriber: Searcher
    states: DecoderStates
    md_encoder: Encoder
    translator: Searcher
    after: Sequence[Transform]
    speech: bool
    tokenizer: Tokenizer

    @classmethod
    def from_node(
        cls,
        node: Node,
        children: Mapping[str, Any],
        translator: Searcher,
        after: Sequence[Transform],
    ) -> MultiDecoderSearch:
        """The search of a bundle's root node; `translator` scores the target language."""
        source = node.config["source"]
        size = len(source["token_list"])
        transcriber = Searcher(
            {"decoder": children["extra_asr_decoder"]},
            children["ctc"],
            source["sos"],
            source["eos"],
            source["blank"],
            size,
        )
        files = {name.removeprefix("src_"): f for name, f in node.files.items() if "src_" in name}
        speech = getattr(children.get("decoder"), "two_sources", False)
        if speech and (ctc := translator.ctc) is not None:
            translator = attrs.evolve(translator, ctc=lambda packed: ctc(speech_of(packed)))
        return cls(
            transcriber,
            children["states"],
            children["md_encoder"],
            translator,
            after,
            speech,
            build_tokenizer(source, files),
        )

    @property
    def sos(self) -> int:
        """The token that a translation starts from."""
        return self.translator.sos

    @property
    def eos(self) -> int:
        """The token that ends it."""
        return self.translator.eos

    def check(self, settings: MultiDecoding) -> None:
        """Refuse settings that this model cannot follow; see `Searcher.check`."""
        self.transcriber.check(settings.asr)
        self.translator.check(settings)

    def __call__(self, encoded: Encoded, settings: MultiDecoding) -> list[Transcript]:
        """Transcribe and translate a batch of the first encoder's output."""
        heard = self.transcriber(encoded, settings.asr)
        memory = self._remember(encoded, heard, settings.asr)
        # `Speech2Text` drops every <sos/eos> of a transcript, and of a translation the last.
        ends = (self.transcriber.sos, self.transcriber.eos)
        found = self.translator(self._sources(encoded, memory), settings)
        return [
            Translated(
                translation.hypotheses,
                # Frames of the states are no time.
                translation.log_probs if self.speech else None,
                translation.blank,
                source=transcript.without(*ends),
                source_tokenizer=self.tokenizer,
            )
            for translation, transcript in zip(found, heard, strict=True)
        ]

    def _remember(
        self, encoded: Encoded, heard: Sequence[Transcript], settings: Decoding
    ) -> Encoded:
        """`md_encoder` over the hidden states behind the best transcripts: (B, U, D)."""
        prefixes = [
            self._prefix(transcript, settings.longest(int(frames)))
            for transcript, frames in zip(heard, encoded.lengths, strict=True)
        ]
        tokens, lengths = pad(prefixes)
        states = self.states(encoded.out, encoded.lengths, tokens.astype(np.int64))
        return self.md_encoder(states, lengths)

    def _prefix(self, transcript: Transcript, longest: int) -> Array:
        """What the decoder had read whenever the search asked it for the next token.

        The last token is among it where the decoder itself said <eos>; a hypothesis that the
        search cut at `longest` tokens ends without.
        """
        best = transcript.hypotheses[0].tokens if transcript.hypotheses else ()
        return np.array([self.transcriber.sos, *best][: max(1, longest)])

    def _sources(self, encoded: Encoded, memory: Encoded) -> Encoded:
        """What the translation's search sees."""
        if not self.speech:
            return Encoded(memory.out, memory.lengths)
        out, lengths = encoded.out, encoded.lengths
        for stage in self.after:
            out, lengths = stage(out, lengths)
        return Encoded(pack(out, memory.out, memory.lengths), lengths)
