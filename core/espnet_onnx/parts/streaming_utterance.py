"""One utterance while it comes in: samples to hypotheses.

Shapes: S samples, T encoder frames, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Protocol

import attrs

from ..errors import InputError
from ..roles import ChunkEncoder, Frontend, StreamingEncoder, Transform
from ..types import Array
from .audio import Audio
from .hypothesis import Hypothesis
from .result import Recognition, Segment
from .streaming_encoder import begin
from .streaming_settings import Streaming
from .tokenizer import Tokenizer
from .transcript import Transcript

__all__ = ["Partial", "Stages", "StreamingSearch", "StreamingSearcher", "Utterance"]


class StreamingSearch(Protocol):
    """A search in the encoder output of one utterance while it comes in."""

    @property
    def running(self) -> list[Hypothesis]:
        """Hypotheses that are alive, best first: every later one descends from one of them."""

    @property
    def log_probs(self) -> Array | None:
        """(T, V) of CTC on all that was pushed, for times and confidences; None without CTC."""

    @property
    def frames(self) -> int | None:
        """How many were pushed, where hypotheses know those of their tokens; else None."""

    def push(self, encoder_out: Array, *, last: bool) -> list[Hypothesis]:
        """Take (T, D) more encoder output, T often 0; what ESPnet returns then, best first.

        Args:
            encoder_out: what comes next.
            last: no more will come; then the hypotheses are the result.
        """


class StreamingSearcher(Protocol):
    """A `recognizer.Search` that streams, too."""

    @property
    def blank(self) -> int:
        """Id of the token that is no token."""

    def stream(self, settings: Any, streaming: Streaming) -> StreamingSearch:
        """Begin an utterance; raises InputError: a setting that is none for streams."""


@attrs.frozen
class Stages:
    """What a stream passes through.

    Attributes:
        normalize: what stands between frontend and encoder.
    """

    tokenizer: Tokenizer
    searcher: StreamingSearcher
    encoder: StreamingEncoder | ChunkEncoder
    frontend: Frontend
    normalize: Sequence[Transform] = ()

    @classmethod
    def of(
        cls,
        tokenizer: Tokenizer,
        searcher: Any,
        encoder: Any,
        frontend: Frontend | None,
        normalize: Sequence[Transform],
    ) -> Stages:
        """Those of a recogniser.

        Raises:
            InputError: one of them cannot stream.
        """
        if not hasattr(encoder, "push") and not hasattr(encoder, "listen"):
            raise InputError("this model's encoder cannot stream: recognise whole recordings")
        if frontend is None:
            raise InputError("this model takes features, and a stream is of samples")
        if not hasattr(searcher, "stream"):
            raise InputError("this model's search cannot stream: recognise whole recordings")
        return cls(tokenizer, searcher, encoder, frontend, normalize)


@attrs.frozen
class Partial:
    """What is known of a stream so far.

    All hypotheses of the search that are alive begin with the committed tokens, and every later
    result descends from one of them: what is committed grows but never changes. The tentative
    tokens are those that only the best hypothesis has.

    Attributes:
        segments: those that ended since the last call, final and with times.
        committed: text of the segment that goes on, as far as it is certain; None where the model
            has no tokenizer.
        tentative: text behind it, the best guess.
        tokens: tokens of both.
        stable: how many of the tokens are committed.
    """

    segments: tuple[Segment, ...] = ()
    committed: str | None = ""
    tentative: str | None = ""
    tokens: tuple[str, ...] = ()
    stable: int = 0

    @property
    def text(self) -> str | None:
        """Text of the segment that goes on."""
        if self.committed is None or self.tentative is None:
            return None
        return self.committed + self.tentative


class Utterance:
    """ESPnet's `Speech2TextStreaming` (espnet2/bin/asr_inference_streaming.py) between two resets.

    Attributes:
        ended: what ESPnet returns, best first: of a label-synchronous search the hypotheses that
            ended in the last block, of one that goes from frame to frame the n-best so far.
        samples: how many there have been.
    """

    def __init__(self, stages: Stages, decoding: Any, streaming: Streaming) -> None:
        self._stages, self._nbest = stages, decoding.nbest
        self._encoder = begin(stages.encoder, stages.frontend, stages.normalize, streaming)
        self._search = stages.searcher.stream(decoding, streaming)
        self.ended: list[Hypothesis] = []
        self.samples = 0

    @property
    def running(self) -> list[Hypothesis]:
        """Hypotheses that are alive, best first."""
        return self._search.running

    @property
    def hop(self) -> int:
        """Samples from one block of encoder output to the next."""
        return self._encoder.hop

    def push(self, samples: Array, *, last: bool) -> None:
        """Take (S,) more samples at the model's rate.

        Raises:
            AudioError: they are the last, and the utterance is too short for the encoder.
        """
        self.samples += len(samples)
        self.ended = []
        out = self._encoder.push(samples, last=last)
        if out is not None:
            self.ended = self._search.push(out, last=last)

    def partial(self) -> Partial:
        """What is certain by now, and the best guess."""
        running = [_said(hypothesis) for hypothesis in self.running]
        best = running[0] if running else []
        stable = min((_common(best, other) for other in running), default=0)
        tokens = self._stages.tokenizer.ids2tokens(best)
        committed, tentative = _texts(self._stages.tokenizer, tokens, stable)
        return Partial((), committed, tentative, tuple(tokens), stable)

    def results(self) -> list[Recognition]:
        """`ended` in tokens and text."""
        return list(self._transcript(self.ended).untimed(self._stages.tokenizer).nbest)

    def recognition(self, audio: Audio) -> Recognition:
        """The result, once the last samples are in.

        Where ESPnet has none, because no hypothesis had room to end, the running ones are given.
        """
        found = self.ended or self.running[: self._nbest]
        return self._transcript(found).recognition(self._stages.tokenizer, audio)

    def _transcript(self, hypotheses: Sequence[Hypothesis]) -> Transcript:
        search, blank = self._search, self._stages.searcher.blank
        frames: float | None = search.frames
        if frames is not None and self.samples:
            # Those of the recording alone, without what was put behind it.
            frames *= self.samples / (self.samples + self._encoder.padding)
        return Transcript(hypotheses, search.log_probs, blank, frames=frames)


def _said(hypothesis: Hypothesis) -> list[int]:
    """Its tokens without id 0, as ESPnet drops it from results."""
    return [token for token in hypothesis.tokens if token != 0]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two hypotheses begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _texts(
    tokenizer: Tokenizer, tokens: Sequence[str], stable: int
) -> tuple[str | None, str | None]:
    """Committed and tentative text."""
    committed, text = tokenizer.tokens2text(tokens[:stable]), tokenizer.tokens2text(tokens)
    if committed is None or text is None:
        return None, None
    # What a token shows may depend on the next one (bytes of a character): it is not certain yet.
    while not text.startswith(committed):
        committed = committed[:-1]
    return committed, text[len(committed) :]
