"""Runs an slu model: a recording, and where it deliberates a transcript, to what is meant.

Shapes: B utterances, S samples, T frames, L pieces of a transcript, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.errors import InputError
from espnet_onnx.parts.audio import Audio
from espnet_onnx.parts.recognizer import Recognizer
from espnet_onnx.parts.result import Recognition
from espnet_onnx.parts.tokenizer import Tokenizer, build_tokenizer
from espnet_onnx.parts.transcript import Transcript
from espnet_onnx.roles import Encoded, Session, Transform
from espnet_onnx.types import Array

__all__ = ["Deliberation", "Understander", "build_understander"]


@attrs.frozen
class Deliberation:
    """Puts the first pass's transcript behind the speech and encodes both together.

    Attributes:
        words: the vocabulary of transcripts.
        postdecoder: texts to (B, L, D) and lengths.
        join: the graph that makes one sequence of speech and transcript.
        encoder: of that sequence, where there is one.
    """

    words: Tokenizer
    postdecoder: Callable[[Sequence[str]], tuple[Array, Array]]
    join: Session
    encoder: Transform | None = None

    def ids(self, transcript: str) -> list[int]:
        """A transcript's words as ids; `SLUPreprocessor` splits them at white space."""
        return self.words.text2ids(transcript)

    def __call__(self, encoded: Encoded, transcripts: Sequence[str]) -> Encoded:
        """`ESPnetSLUModel.encode` from its postdecoder on; words out of vocabulary are <unk>."""
        # ESPnet makes text of the ids again, so a model has only seen words that it knows.
        known = [" ".join(self.words.ids2tokens(self.ids(text))) for text in transcripts]
        written, written_lengths = self.postdecoder(known)
        out, lengths = self.join(
            encoder_out=encoded.out,
            encoder_out_lengths=encoded.lengths,
            transcript_out=written,
            transcript_lengths=written_lengths,
        )
        out = out[:, : lengths.max()]
        if self.encoder is not None:
            out, lengths = self.encoder(out, lengths)
        return attrs.evolve(encoded, out=out, lengths=lengths)


@attrs.frozen
class _Spoken(Audio):
    """A recording and its transcript."""

    transcript: str = ""


@attrs.define
class Understander(Recognizer):
    """`slu("speech.flac").text`, or `slu("speech.flac", transcript="...").text`.

    Wherever a recording goes, a model that deliberates takes a pair (recording, transcript):
    `slu.batch([("a.flac", "turn it off"), ...])`.

    Attributes:
        deliberation: None for a model that reads no transcript.
    """

    deliberation: Deliberation | None = None

    @property
    def whole_only(self) -> str | None:
        """Why long recordings are not cut into pieces, where they are not."""
        return None if self.deliberation is None else "a transcript is of a whole recording"

    def __call__(
        self,
        audio: Any,
        *,
        transcript: str | None = None,
        sample_rate: int | None = None,
        **decoding: Any,
    ) -> Recognition:
        """Understand one recording.

        Args:
            audio: as `Recognizer` takes it, or a pair with its transcript.
            transcript: of a first pass.
            sample_rate: of an array, in Hz; None where it already is the model's.
            decoding: settings of `Decoding` to change for this call.

        Raises:
            AudioError: the recording cannot be read, or is too short for the model.
            InputError: a setting that does not fit this model, a transcript that it does not
                read, or none for a model that needs one.
        """
        source = audio if transcript is None else (audio, transcript)
        return super().__call__(source, sample_rate=sample_rate, **decoding)

    def stream(self, *, sample_rate: int | None = None, **options: Any) -> Any:
        """As `Recognizer.stream`; raises InputError too where the model reads transcripts."""
        if self.deliberation is not None:
            raise InputError("this model reads whole transcripts: give it whole recordings too")
        return super().stream(sample_rate=sample_rate, **options)

    def read(self, audio: Any) -> tuple[Array, ...]:
        """What `Speech2Understand` takes: (S,) samples, and ids of the transcript's words."""
        read = self._read(audio, None)
        if self.deliberation is None or not isinstance(read, _Spoken):
            return (read.samples,)
        return (read.samples, np.array(self.deliberation.ids(read.transcript), np.int64))

    def heard(self, inputs: Sequence[Audio]) -> Encoded:
        """Encoder output of recordings, with their transcripts where the model reads them."""
        encoded = super().heard(inputs)
        if self.deliberation is None:
            return encoded
        return self.deliberation(encoded, [i.transcript for i in inputs if isinstance(i, _Spoken)])

    def results(
        self, audios: Sequence[Audio], transcripts: Sequence[Transcript]
    ) -> list[Recognition]:
        """One result for every recording; without times where CTC hears the transcript too."""
        if self.deliberation is not None:
            transcripts = [attrs.evolve(t, log_probs=None) for t in transcripts]
        return super().results(audios, transcripts)

    def self_check(self) -> str | None:
        """Understand two seconds of noise, transcribed as silence; a problem, or None."""
        if self.frontend is None:
            return None
        noise = np.random.default_rng(0).normal(0, 0.1, 2 * self.frontend.sample_rate)
        transcript = None if self.deliberation is None else ""
        result = self(noise.astype(np.float32), transcript=transcript, maxlenratio=-3, beam_size=2)
        return None if np.isfinite(result.score) else f"score {result.score} of noise"

    def _read(self, audio: Any, sample_rate: int | None) -> Audio:
        audio, transcript = audio if isinstance(audio, tuple) else (audio, None)
        if self.deliberation is None and transcript is not None:
            raise InputError("this model reads no transcript: give the recording alone")
        if self.deliberation is not None and not isinstance(transcript, str):
            raise InputError(
                "this model also reads what a first pass transcribed: give transcript="
                " (--transcript), or a pair (recording, transcript)"
            )
        read = super()._read(audio, sample_rate)
        if transcript is None:
            return read
        return _Spoken(read.samples, read.sample_rate, read.notes, read.name, transcript)


def build_understander(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Understander:
    """The runtime of a bundle's root node."""
    understander = Understander.from_node(node, children)
    if "postdecoder" not in children:
        return understander
    words = {"token_type": "word", "token_list": node.config["transcript_token_list"]}
    deliberation = Deliberation(
        build_tokenizer(words, {}),
        children["postdecoder"],
        open_session("join"),
        children.get("deliberationencoder"),
    )
    return attrs.evolve(understander, deliberation=deliberation)
