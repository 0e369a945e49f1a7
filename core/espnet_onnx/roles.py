"""What a parent may expect of a child at run time.

Shapes: B utterances, S samples, T frames, D width, V tokens, H hypotheses an utterance.
Arrays are numpy; lengths are int64 of shape (B,). Nothing here may import torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from .types import Array

__all__ = [
    "CTC",
    "Acoustic",
    "ChunkEncoder",
    "Encoded",
    "Encoder",
    "EncoderStream",
    "Frontend",
    "GrowingScorer",
    "Noise",
    "Prediction",
    "Scorer",
    "Session",
    "Spoken",
    "StreamingEncoder",
    "Transform",
    "Vocoder",
]


class Session(Protocol):
    """An open ONNX graph."""

    @property
    def inputs(self) -> Mapping[str, Sequence[int | str]]:
        """Input name -> shape; a dynamic axis is its name."""

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        """Run the graph; outputs in the graph's own order."""


class Frontend(Protocol):
    """Role `frontend`: waveform to features.

    Attributes:
        sample_rate: of the waveform, in Hz.
        hop_length: samples from one frame to the next.
        shortest: fewest samples it accepts; its parent looks first.

    One with several outputs also has their number as `layers`, and its call takes `layer`; one that
    knows D has it as `width` (`parts.extractor.Extractor` asks for these).
    """

    sample_rate: int
    hop_length: int
    shortest: int

    def __call__(self, speech: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, S) float32 and lengths in samples -> (B, T, D) and lengths in frames."""


class Transform(Protocol):
    """Roles `normalize`, `preencoder`, `postencoder`: features to features."""

    def __call__(self, feats: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, T, D) and lengths -> (B, T', D') and lengths."""


@attrs.frozen
class Encoded:
    """What an encoder returns.

    Attributes:
        out: (B, T, D).
        lengths: (B,), valid frames of `out`.
        inter: block number -> what CTC reads of that block, (B, T, D).
    """

    out: Array
    lengths: Array
    inter: Mapping[int, Array] = attrs.field(factory=dict)


class Encoder(Protocol):
    """Role `encoder`. `shortest` is the fewest input frames it accepts; its parent looks first."""

    shortest: int

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        """(B, T, D) features, or (B, T) int64 tokens, and lengths -> Encoded."""


class StreamingEncoder(Encoder, Protocol):
    """Role `encoder`, of one that also encodes while the recording comes in.

    A state is never written to, and its size does not grow with the recording.
    """

    @property
    def hop(self) -> int:
        """Feature frames from one block of output to the next."""

    def start(self) -> Any:
        """The state before the first feature."""

    def push(self, state: Any, feats: Array, last: bool) -> tuple[Array, Any]:
        """Encode more features.

        Args:
            state: what `start` or the last `push` returned.
            feats: (B, T, D), any number of frames.
            last: no more will come.

        Returns:
            (B, T', D'), the encoder output that is now known and was not before, T' often 0; and
            the next state.

        Raises:
            AudioError: the recording ends before the encoder's shortest input.
        """


class EncoderStream(Protocol):
    """A recording that an encoder hears while it comes in.

    Attributes:
        hop: samples from one block of output to the next.
        padding: samples of silence that were put behind the last ones.
    """

    hop: int
    padding: int

    def push(self, samples: Array, *, last: bool) -> Array | None:
        """(S,) more samples -> (T, D), the encoder output that is now known and was not before.

        None where nothing was encoded.

        Raises:
            AudioError: they are the last, and the recording is too short for the encoder.
        """


class ChunkEncoder(Encoder, Protocol):
    """Role `encoder`, of one whose streams are cut into chunks before there are features."""

    def listen(
        self,
        frontend: Frontend,
        normalize: Sequence[Transform],
        decoding_window: int | None,
        left_context: int | None,
    ) -> EncoderStream:
        """Begin a stream.

        Args:
            frontend: waveform to features.
            normalize: what follows it.
            decoding_window: milliseconds of a chunk; None for the encoder's own.
            left_context: encoder frames before a chunk that it sees; None for the encoder's own.

        Raises:
            InputError: the encoder cannot stream, or an option does not fit it.
        """


class CTC(Protocol):
    """Role `ctc`."""

    def __call__(self, encoder_out: Array) -> Array:
        """(B, T, D) -> (B, T, V) log probabilities."""


class Scorer(Protocol):
    """Roles `decoder` and `lm` in a label-synchronous search: scores every next token.

    A state belongs to one search and is never shared between threads. The search does not look
    into it: it hands back what `start` or `score` returned last, with `parents` telling which old
    hypothesis each new one extends. Hypotheses that share a parent share its history, so a scorer
    keeps what it computed for a token once and remembers for every hypothesis where its tokens
    are (`parts.slot_cache`), instead of copying a cache a hypothesis. `score` may write into the
    caches of the state it gets; an older state stays usable.

    A scorer that also has `keep(state, utterances)`, the state of these utterances (int64, in
    rising order) alone, need not score those of a batch that have ended.
    """

    def start(self, encoder_out: Array, lengths: Array) -> Any:
        """State of the empty hypothesis of every utterance.

        What an utterance needs once (cross-attention keys and values) is computed here and shared
        by all its hypotheses.

        Args:
            encoder_out: (B, T, D).
            lengths: (B,) valid frames.
        """

    def score(self, tokens: Array, state: Any, parents: Array) -> tuple[Array, Any]:
        """Score one step.

        Args:
            tokens: (B, H, U) int64, the hypotheses so far, <sos> first; all have length U.
            state: what the last call returned for (B, H') hypotheses, H' the old count (1 after
                `start`).
            parents: (B, H) int64 in [0, H'), the old hypothesis each new one extends. Where an
                utterance has fewer hypotheses than H, the rest are fillers: any valid parent,
                scores that nobody reads.

        Returns:
            log_probs (B, H, V) float32 and the new state.
        """


class GrowingScorer(Scorer, Protocol):
    """A scorer whose encoder output comes piece by piece, as a streaming search asks of `decoder`.

    What an earlier token was computed from stays as it was: only tokens to come see the new frames.
    """

    def extend(self, state: Any, encoder_out: Array, keep: int | None) -> Any:
        """The state of the same hypotheses over more encoder output.

        Args:
            state: what `start`, `score` or `extend` returned; stays usable.
            encoder_out: (B, T, D) the frames that follow, none of them padding.
            keep: how many of the frames before, the latest, are seen from now on; None for all.
        """


class Prediction(Protocol):
    """Role `prediction`: the prediction network of a transducer, with its joint network.

    N pairs of an encoder frame and a hypothesis are scored at once; J is the width in which the
    joint network adds the two. States are arrays of N rows, one a hypothesis: a search takes rows
    of several calls together as it likes, and never looks into them.
    """

    def project(self, encoder_out: Array) -> Array:
        """(B, T, D) -> (B, T, J), what the joint network adds of every frame."""

    def start(self) -> tuple[Array, ...]:
        """States before the first token, of one row."""

    def step(
        self, frames: Array, tokens: Array, states: Sequence[Array]
    ) -> tuple[Array, Array, tuple[Array, ...]]:
        """Read the last token of each hypothesis, and score what may follow.

        Args:
            frames: (N, J), rows of `project`.
            tokens: (N,) int64, the last tokens; blank before the first.
            states: those before that token.

        Returns:
            (N, V) log probabilities, (N, J) what the joint network adds of every hypothesis, and
            the states after the token.
        """

    def joint(self, frames: Array, outputs: Array) -> Array:
        """(N, J) rows of `project`, (N, J) of what `step` returned -> (N, V) log probabilities."""


class Noise(Protocol):
    """Where a synthesis gets its randomness from; a test injects its own."""

    def __call__(self, name: str, shape: Sequence[int]) -> Array:
        """Standard normal float32 of this shape; `name` says what for (`prior`, `durations`)."""


@attrs.frozen
class Spoken:
    """What an acoustic model made of tokens.

    Attributes:
        feats: (B, T, D), what its vocoder hears: a normalised log mel spectrogram, or the latent
            frames of an end-to-end model. Undefined behind each utterance.
        lengths: (B,) frames.
        durations: (B, U) frames of each token; None where there is no such thing.
        conditions: further inputs of the vocoder by name (`speaker`: (B, C)).
        details: what else its ESPnet counterpart returns, by ESPnet's name (`prob`, `att_w`).
    """

    feats: Array
    lengths: Array
    durations: Array | None = None
    conditions: Mapping[str, Array] = attrs.field(factory=dict)
    details: Mapping[str, Any] = attrs.field(factory=dict)


class Acoustic(Protocol):
    """Role `acoustic`: tokens to frames of sound.

    Attributes:
        needs: controls that it cannot speak without, of `sids`, `lids`, `spembs` and `speech` (a
            reference for global style tokens), as ESPnet's `Text2Speech` names them.
        options: further controls (`alpha`, `noise_scale`, `threshold`, ...) -> default.
        vocoder: its own, of an end-to-end model; None where the root needs to have one.
    """

    needs: Sequence[str]
    options: Mapping[str, float]
    vocoder: Vocoder | None

    def __call__(
        self, tokens: Array, lengths: Array, controls: Mapping[str, Any], noise: Noise
    ) -> Spoken:
        """(B, U) int64 tokens of the text, without <sos/eos>, which a model adds itself, and (B,).

        Args:
            tokens: ids, padded.
            lengths: valid ones.
            controls: values by name: those of `needs` as (B,) or (B, C) or reference features
                (T, D), those of `options` as numbers. Missing options have their default.
            noise: see `Noise`.
        """


class Vocoder(Protocol):
    """Role `vocoder`: frames to waveform.

    Attributes:
        sample_rate: of the waveform in Hz; None where only the acoustic model's config knows.
        hop: samples a frame.
        context: frames on either side that a sample depends on; a stream overlaps by as many.
            None where the whole utterance is heard.
    """

    sample_rate: int | None
    hop: int
    context: int | None

    def __call__(
        self, feats: Array, lengths: Array, conditions: Mapping[str, Array], noise: Noise
    ) -> Array:
        """(B, T, D) and (B,) frames -> (B, T * hop) float32, undefined behind each utterance."""
