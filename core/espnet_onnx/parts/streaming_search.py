"""Block-synchronous beam search: hypotheses grow as far as the audio so far is sure of them.

Shapes: T encoder frames, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from ..roles import CTC, Scorer
from ..types import Array
from .decoding import Decoding
from .ended import Ended
from .hypothesis import Hypothesis
from .streaming_beam import Beam, Grower, Grown
from .streaming_ctc import GrowingCTC
from .streaming_settings import Streaming

__all__ = ["BlockSearch"]


class BlockSearch:
    """ESPnet's `BatchBeamSearchOnline` (espnet2/legacy/nets/batch_beam_search_online.py) in numpy,
    for one utterance.

    In every block hypotheses grow until one of them ends or repeats a token, which says that the
    audio so far is used up; then the last two tokens are taken back, and the next block goes on
    from there. Nothing is decoded again but those.

    One thing differs on purpose. Where hypotheses become as long as `maxlenratio` allows before the
    audio ends, ESPnet 202511 keeps them among the final results and 202611 fails in the next block;
    here the block ends, and the search goes on with the next.

    Args:
        scorers: `decoder`, `lm`, ... -> what scores every next token.
        ctc: None without.
        decoding: the options; `ctc_window_margin` is not among those heeded, as in ESPnet.
        streaming: the options of streaming.
        vocab_size: V.
        sos: token every hypothesis starts from.
        eos: token that ends a hypothesis.
        blank: CTC's blank.
    """

    def __init__(
        self,
        scorers: Mapping[str, Scorer],
        ctc: CTC | None,
        decoding: Decoding,
        streaming: Streaming,
        *,
        vocab_size: int,
        sos: int,
        eos: int,
        blank: int,
    ) -> None:
        self._decoding, self._streaming, self._eos = decoding, streaming, eos
        self._hear = ctc
        self._ctc = GrowingCTC(vocab_size, blank=blank, eos=eos) if decoding.ctc_weight else None
        self._grower = Grower(
            scorers,
            self._ctc,
            decoding,
            streaming,
            vocab_size=vocab_size,
            sos=sos,
            eos=eos,
            blank=blank,
        )
        self._beam: Beam | None = None
        self._previous: Beam | None = None
        self._ended = Ended()
        self._step = self._block = 0
        self._frames = self._seen = 0  # pushed, and part of a block
        self._waiting: list[Array] = []
        self._log_probs: Array = np.zeros((0, vocab_size), np.float32)
        self._output: list[Hypothesis] = []

    @property
    def log_probs(self) -> Array | None:
        """(T, V) of CTC, all that was pushed; None without CTC."""
        return self._log_probs if len(self._log_probs) else None

    @property
    def frames(self) -> None:
        """Hypotheses do not know in which frames they say their tokens."""
        return None

    @property
    def running(self) -> list[Hypothesis]:
        """The hypotheses that the next block goes on from, best first."""
        if self._beam is None:
            return []
        return [self._beam.hypothesis(row, ended=False) for row in range(len(self._beam.scores))]

    def push(self, encoder_out: Array, *, last: bool) -> list[Hypothesis]:
        """Take more encoder output, and search the blocks that it completes.

        Args:
            encoder_out: (T, D).
            last: no more will come.

        Returns:
            Hypotheses that ended in the last block, best first: ESPnet's n-best list. While more
            may come it is often empty; of what is being decoded then, see `running`.
        """
        self._take(encoder_out)
        found: list[Hypothesis] | None = None
        while not (last and self._seen == self._frames):
            end = self._streaming.block_end(self._block)
            final = end >= self._frames
            if final and not last:
                break
            self._extend(min(end, self._frames))
            found = self._decode(final)
            self._block += 1
            if self._streaming.incremental_decode and self._beam is not None:
                self._beam = _first(self._beam)
        if found is not None:
            self._output = found
        return self._output

    def _take(self, encoder_out: Array) -> None:
        self._frames += len(encoder_out)
        self._waiting.append(encoder_out)
        if self._hear is not None and len(encoder_out):
            self._log_probs = np.concatenate((self._log_probs, self._hear(encoder_out[None])[0]))

    def _extend(self, end: int) -> None:
        """Let the scorers see the encoder output up to a frame."""
        waiting = np.concatenate(self._waiting)
        more = waiting[: end - self._seen]
        self._waiting = [waiting[end - self._seen :]]
        self._seen = end
        if self._ctc is not None:
            self._extend_ctc(end)
        if self._beam is None:
            self._beam = self._grower.start(more)
        elif len(more):
            self._beam = self._grower.extend(self._beam, more)

    def _extend_ctc(self, end: int) -> None:
        """`CTCPrefixScoreTH.extend_prob`: takes the end of what it is shown, if that is longer."""
        assert self._ctc is not None
        limit = self._streaming.encoded_feat_length_limit or end
        shown = self._log_probs[max(0, end - limit) : end]
        self._ctc.extend(shown[self._ctc.frames :])

    def _decode(self, final: bool) -> list[Hypothesis]:
        """`process_one_block`."""
        longest = self._decoding.longest(self._frames)
        closed: list[Hypothesis] = []
        while self._step < longest:
            assert self._beam is not None
            grown = self._grower.grow(self._beam)
            ends = grown.beam.tokens[:, -1] == self._eos
            closed = [grown.beam.hypothesis(row) for row in np.flatnonzero(ends).tolist()]
            full = self._step == longest - 1
            if not final:
                if full:
                    closed = _all_closed(grown)
                if closed or self._repeats(grown, ends):
                    break
            elif self._finish(grown, closed, full):
                break
            self._previous, self._beam = self._beam, grown.kept(np.flatnonzero(~ends))
            self._step += 1
        if not final:
            self._go_back()
            return _ranked(closed, self._decoding)
        return self._ended.best(self._decoding.nbest, self._decoding.normalize_length)

    def _finish(self, grown: Grown, closed: list[Hypothesis], full: bool) -> bool:
        """Put aside what ended in the last block; whether that was all."""
        step, automatic = self._step, self._decoding.maxlenratio == 0
        if automatic and not full and self._ended.is_final(step):
            return True
        wanted = step >= self._decoding.shortest(self._frames)
        for hypothesis in (_all_closed(grown) if full else closed) if wanted else ():
            self._ended.add(hypothesis)
        over = full or (automatic and self._ended.is_final(step))
        # ESPnet's search takes what ends in the last block a second time, whatever minlenratio is.
        if not wanted:
            for hypothesis in closed:
                self._ended.add(hypothesis)
        return over or len(closed) == len(grown.beam.scores)

    def _repeats(self, grown: Grown, ends: Array) -> bool:
        """Whether a hypothesis says again what it said before (Eq. (11) of arXiv:2006.14941)."""
        if self._streaming.disable_repetition_detection:
            return False
        tokens = grown.beam.tokens[~ends]
        return bool((tokens[:, :-1] == tokens[:, -1:]).any())

    def _go_back(self) -> None:
        """Take back the last token of every hypothesis."""
        if self._step > 1 and self._previous is not None:
            self._beam, self._previous = self._previous, None
            self._step -= 1


def _all_closed(grown: Grown) -> list[Hypothesis]:
    """Every hypothesis with <eos> behind it, also behind an <eos>, as ESPnet appends it."""
    return [grown.beam.hypothesis(row, ended=False) for row in range(len(grown.beam.scores))]


def _ranked(hypotheses: list[Hypothesis], decoding: Decoding) -> list[Hypothesis]:
    ended = Ended()
    for hypothesis in hypotheses:
        ended.add(hypothesis)
    return ended.best(decoding.nbest, decoding.normalize_length)


def _first(beam: Beam) -> Beam:
    """The best hypothesis alone (`incremental_decode`)."""
    return attrs.evolve(
        beam,
        tokens=beam.tokens[:1],
        parents=beam.parents[:1],
        scores=beam.scores[:1],
        parts={name: part[:1] for name, part in beam.parts.items()},
        prefixes=None if beam.prefixes is None else beam.prefixes.first(),
    )
