"""One utterance while it comes in: samples to hypotheses.

Shapes: S samples, T encoder frames, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import attrs

from ..errors import InputError
from ..roles import Frontend, StreamingEncoder, Transform
from ..types import Array
from .audio import Audio
from .decoding import Decoding
from .hypothesis import Hypothesis
from .result import Recognition, Segment
from .streaming_frontend import StreamingFrontend
from .streaming_search import BlockSearch
from .streaming_settings import Streaming
from .tokenizer import Tokenizer
from .transcript import Searcher, Transcript

__all__ = ["Partial", "Stages", "Utterance"]


@attrs.frozen
class Stages:
    """What a stream passes through.

    Attributes:
        normalize: what stands between frontend and encoder.
    """

    tokenizer: Tokenizer
    searcher: Searcher
    encoder: StreamingEncoder
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
        if not hasattr(encoder, "push"):
            raise InputError("this model's encoder cannot stream: recognise whole recordings")
        if frontend is None:
            raise InputError("this model takes features, and a stream is of samples")
        if not isinstance(searcher, Searcher):
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
        ended: hypotheses that ended in the last block, best first: what ESPnet returns.
        samples: how many there have been.
    """

    def __init__(self, stages: Stages, decoding: Decoding, streaming: Streaming) -> None:
        searcher = stages.searcher
        self._stages, self._nbest = stages, decoding.nbest
        self._frontend = StreamingFrontend(stages.frontend, stages.normalize)
        self._state = stages.encoder.start()
        self._search = BlockSearch(
            searcher.scorers,
            decoding,
            streaming,
            vocab_size=searcher.vocab_size,
            sos=searcher.sos,
            eos=searcher.eos,
            blank=searcher.blank,
        )
        self.ended: list[Hypothesis] = []
        self.samples = 0

    @property
    def running(self) -> list[Hypothesis]:
        """Hypotheses that are alive, best first."""
        return self._search.running

    def push(self, samples: Array, *, last: bool) -> None:
        """Take (S,) more samples at the model's rate.

        Raises:
            AudioError: they are the last, and the utterance is too short for the encoder.
        """
        self.samples += len(samples)
        self.ended = []
        feats = self._frontend.push(samples, last=last)
        if feats is None:
            return
        out, self._state = self._stages.encoder.push(self._state, feats, last)
        ctc = self._stages.searcher.ctc
        log_probs = ctc(out)[0] if ctc is not None and out.shape[1] else None
        self.ended = self._search.push(out[0], log_probs, last=last)

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
        log_probs = self._search.log_probs
        blank = self._stages.searcher.blank
        return Transcript(hypotheses, log_probs if len(log_probs) else None, blank)


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
