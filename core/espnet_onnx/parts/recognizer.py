"""Runs an attention and/or CTC model: waveform to text, as ESPnet's `Speech2Text` does.

Shapes: B utterances, S samples, T frames, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import attrs
import numpy as np

from ..errors import AudioError, InputError
from ..roles import CTC, Encoded, Encoder, Frontend, Scorer, Transform
from ..types import Array, Node
from .audio import Audio, read_for
from .batch import buckets, in_order, pad
from .decoding import Decoding
from .encoding import AT_ONCE, joined, portions
from .long_audio import Segments, segments, split_options, transcribe
from .result import Recognition
from .streaming_recognizer import Stream
from .streaming_settings import Streaming
from .streaming_utterance import Stages
from .tokenizer import Tokenizer, build_tokenizer
from .transcript import Searcher, Transcript

__all__ = ["Recognizer", "Search"]

# Ready features do not say how many of them make a second; ESPnet's recipes make so many.
FEATURE_RATE = 100


class Search(Protocol):
    """What finds tokens in encoder output, by settings of an attrs class of its own."""

    @property
    def sos(self) -> int:
        """What ESPnet puts before a result."""

    @property
    def eos(self) -> int:
        """What ESPnet puts behind a result."""

    def check(self, settings: Any) -> None:
        """Refuse settings that this model cannot follow; raises InputError."""

    def __call__(self, encoded: Encoded, settings: Any) -> list[Transcript]:
        """Decode a batch of encoder output."""


@attrs.define
class Recognizer:
    """A recogniser: `recognizer("speech.flac").text`.

    Attributes:
        sample_rate: what audio is resampled to; None where the model takes features.
        decoding: search settings, `Decoding` or the attrs class that another `searcher` reads;
            keyword arguments of a call replace them for that call.
    """

    tokenizer: Tokenizer
    searcher: Search
    encoder: Encoder
    decoding: Any
    frontend: Frontend | None = None
    before: Sequence[Transform] = ()
    after: Sequence[Transform] = ()

    @classmethod
    def from_node(
        cls,
        node: Node,
        children: Mapping[str, Any],
        searcher: Search | None = None,
        settings: type[Any] = Decoding,
    ) -> Self:
        """The recogniser of a bundle's root node.

        Where there is no frontend, the input is features; but an encoder that hears the waveform
        itself has an attribute `waves`, a `roles.Frontend` that passes it on.

        Args:
            node: the root; its config is that of `recognition.recognition_config`.
            children: its built children.
            searcher: None for `Searcher`, with the children `decoder`, `lm`, `ngram` and `ctc`.
            settings: the attrs class of what `searcher` reads.
        """
        config = node.config
        tokenizer = build_tokenizer(
            {"token_type": config["token_type"], "token_list": config["token_list"]}, node.files
        )
        searcher = searcher or _searcher(config, children)
        decoding = settings(**_known(config.get("decoding", {}), settings))
        searcher.check(decoding)
        return cls(
            tokenizer,
            searcher,
            children["encoder"],
            decoding,
            children.get("frontend") or getattr(children["encoder"], "waves", None),
            [children[n] for n in ("normalize", "preencoder") if n in children],
            [children[n] for n in ("postencoder",) if n in children],
        )

    @property
    def sample_rate(self) -> int | None:
        """Sample rate of the model's training audio, in Hz."""
        return None if self.frontend is None else self.frontend.sample_rate

    def __call__(
        self, audio: Any, *, sample_rate: int | None = None, **decoding: Any
    ) -> Recognition:
        """Recognise one recording.

        Args:
            audio: a path, a file object or an array (S,); features (T, D) where the model has
                no frontend.
            sample_rate: of an array, in Hz; None where it already is the model's.
            decoding: settings of `Decoding` to change for this call.

        Raises:
            AudioError: the recording cannot be read, or is too short for the model.
            InputError: a setting that does not fit this model.
        """
        return self.batch([audio], sample_rate=sample_rate, **decoding)[0]

    def batch(
        self,
        audios: Sequence[Any],
        *,
        batch_size: int = 16,
        sample_rate: int | None = None,
        **decoding: Any,
    ) -> list[Recognition]:
        """Recognise many recordings, `batch_size` at a time, results in the given order.

        Each result is what the recording gives when recognised alone.
        """
        settings = attrs.evolve(self.decoding, **_known(decoding, type(self.decoding)))
        self.searcher.check(settings)
        inputs = [self._read(audio, sample_rate) for audio in audios]
        groups = buckets([len(i.samples) for i in inputs], batch_size)
        return in_order(groups, (self._decode([inputs[i] for i in g], settings) for g in groups))

    def transcribe(self, audio: Any, **options: Any) -> Recognition:
        """Recognise a recording of any length, cut into pieces where it is long.

        Args:
            audio: as in a call.
            options: fields of `parts.long_audio.Cutting`, `sample_rate`, `batch_size`, and
                settings of `Decoding`.
        """
        cutting, rest = split_options(options)
        return transcribe(self, audio, cutting, **rest)

    def segments(self, audio: Any, **options: Any) -> Segments:
        """What `transcribe` finds, segment by segment, each as soon as it is known."""
        cutting, rest = split_options(options)
        return segments(self, audio, cutting, **rest)

    def stream(self, *, sample_rate: int | None = None, **options: Any) -> Stream:
        """Begin to recognise a recording that comes in chunk by chunk.

        Args:
            sample_rate: of the chunks, in Hz; None where it already is the model's.
            options: fields of `parts.streaming_settings.Streaming` and of `Decoding`.

        Raises:
            InputError: the model cannot stream, or a setting does not fit it.
        """
        names = {a.name for a in attrs.fields(Streaming)}
        streaming = Streaming(**{name: options[name] for name in names & options.keys()})
        decoding = {name: value for name, value in options.items() if name not in names}
        known = _known(decoding, type(self.decoding), sorted(names))
        settings = attrs.evolve(self.decoding, **known)
        self.searcher.check(settings)
        if self.after:
            raise InputError("this model's post-encoder cannot stream: recognise whole recordings")
        stages = Stages.of(self.tokenizer, self.searcher, self.encoder, self.frontend, self.before)
        return Stream(stages, settings, streaming, sample_rate)

    def encode(self, inputs: Sequence[Array]) -> Encoded:
        """Encoder output of arrays at the model's rate; `ESPnetASRModel.encode`.

        Args:
            inputs: (S,) samples each, or (T, D) features where the model has no frontend.

        Raises:
            AudioError: one is too short for the frontend or the encoder.
        """
        most = int(AT_ONCE * (self.sample_rate or FEATURE_RATE))
        runs = portions([len(array) for array in inputs], most)
        return joined([self._encode(inputs[run]) for run in runs])

    def _encode(self, inputs: Sequence[Array]) -> Encoded:
        feats, lengths = _stack(inputs)
        if self.frontend is not None:
            feats, lengths = self.frontend(feats, lengths)
        for transform in self.before:
            feats, lengths = transform(feats, lengths)
        if lengths.min() < self.encoder.shortest:
            raise AudioError(
                f"too short: {lengths.min()} feature frames, the encoder needs "
                f"{self.encoder.shortest}: give longer audio"
            )
        encoded = self.encoder(feats, lengths)
        out, lengths = encoded.out, encoded.lengths
        for transform in self.after:
            out, lengths = transform(out, lengths)
        return attrs.evolve(encoded, out=out, lengths=lengths)

    def read(self, audio: Any) -> tuple[Array, ...]:
        """What ESPnet's own inference takes for a recording, in the order of its arguments."""
        return (self._read(audio, None).samples,)

    def self_check(self) -> str | None:
        """Recognise two seconds of noise; a problem, or None. Features have no known width."""
        if self.frontend is None:
            return None
        noise = np.random.default_rng(0).normal(0, 0.1, 2 * self.frontend.sample_rate)
        quick = {"maxlenratio": -3, "beam_size": 2}
        quick = {name: value for name, value in quick.items() if hasattr(self.decoding, name)}
        result = self(noise.astype(np.float32), **quick)
        return None if np.isfinite(result.score) else f"score {result.score} of noise"

    def _read(self, audio: Any, sample_rate: int | None) -> Audio:
        if self.frontend is None:
            return _features(audio)
        return read_for(self.frontend, audio, sample_rate=sample_rate)

    def _decode(self, inputs: Sequence[Audio], settings: Any) -> list[Recognition]:
        try:
            encoded = self.heard(inputs)
        except AudioError as error:
            # What is wrong here is always the length.
            shortest = min(inputs, key=lambda i: len(i.samples))
            raise AudioError(f"{shortest.name}: {error}") from None
        return self.results(inputs, self.searcher(encoded, settings))

    def heard(self, inputs: Sequence[Audio]) -> Encoded:
        """What the search sees of recordings; a model that reads more than audio adds it here."""
        return self.encode([i.samples for i in inputs])

    def results(
        self, audios: Sequence[Audio], transcripts: Sequence[Transcript]
    ) -> list[Recognition]:
        """One result for every recording, of what the search found in its encoder output."""
        pairs = zip(audios, transcripts, strict=True)
        return [transcript.recognition(self.tokenizer, audio) for audio, transcript in pairs]


def _stack(inputs: Sequence[Array]) -> tuple[Array, Array]:
    if inputs[0].ndim == 1:
        return pad(inputs)
    lengths = np.array([len(i) for i in inputs], dtype=np.int64)
    batch = np.zeros((len(inputs), int(lengths.max()), inputs[0].shape[1]), dtype=np.float32)
    for row, array in zip(batch, inputs, strict=True):
        row[: len(array)] = array
    return batch, lengths


def _features(array: Any) -> Audio:
    features = np.asarray(array)
    if features.ndim != 2 or features.dtype.kind != "f" or not np.isfinite(features).all():
        raise AudioError("this model has no frontend: give a finite float array of features (T, D)")
    note = f"times assume {FEATURE_RATE} feature frames a second"
    return Audio(features.astype(np.float32), FEATURE_RATE, (note,), "features")


def _searcher(config: Mapping[str, Any], children: Mapping[str, Any]) -> Searcher:
    names = ("decoder", "lm", "ngram")
    scorers: dict[str, Scorer] = {n: children[n] for n in names if n in children}
    ctc: CTC | None = children.get("ctc")
    return Searcher(
        scorers, ctc, config["sos"], config["eos"], config["blank"], len(config["token_list"])
    )


def _known(
    decoding: Mapping[str, Any], settings: type[Any], further: Sequence[str] = ()
) -> Mapping[str, Any]:
    """The same, if all are fields of the class; `further` names are told of, too."""
    names = [a.name for a in attrs.fields(settings)]
    for name in decoding:
        if name not in names:
            all_names = ", ".join([*names, *further])
            raise InputError(f"no search setting is called {name!r}: there are {all_names}")
    return decoding
