"""The search of a transducer in encoder output that comes in.

Shapes: T frames, D encoder width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from espnet_onnx.errors import InputError
from espnet_onnx.parts.hypothesis import Hypothesis
from espnet_onnx.parts.streaming_settings import Streaming
from espnet_onnx.roles import Prediction
from espnet_onnx.types import Array

from .fusion import Fusion
from .lattice import Lattice
from .paths import Path, moments
from .prefixes import Prefixes
from .scores import Scores, Search, answer

__all__ = ["GoingOn", "TransducerStream", "hypothesis"]

# Goes on with some paths over the lattice's frames; returns those that are alive then.
GoingOn = Callable[[Lattice, list[Path]], Search[list[Path]]]


def hypothesis(path: Path, prefixes: Prefixes) -> Hypothesis:
    """What a path says, and when."""
    scores = {"transducer": path.score}
    return Hypothesis(prefixes.tokens(path.prefix), path.score, scores, moments(path))


class TransducerStream:
    """`BeamSearchTransducerStreaming` (espnet2/asr/transducer/beam_search_transducer_streaming.py),
    over the encoder output of one utterance.

    ESPnet's begins anew with every block and forgets what it said before. This one goes on: after
    every block it has what ESPnet's finds in all encoder output so far. What it keeps between
    blocks are the paths that are alive, and what the networks made of their last tokens.

    Args:
        prediction: the networks.
        search: goes on from frame to frame.
        lattice: without frames.
        streaming: of its options `incremental_decode` is heeded.

    Raises:
        InputError: an option that a transducer cannot follow.
    """

    def __init__(
        self, prediction: Prediction, search: GoingOn, lattice: Lattice, streaming: Streaming
    ) -> None:
        _check(streaming)
        self._prediction, self._search, self._lattice = prediction, search, lattice
        self._streaming, self._block = streaming, 0
        self._scores: Scores | None = None
        self._paths = [Path(0, 0.0)]

    @property
    def log_probs(self) -> None:
        """There is no CTC."""
        return None

    @property
    def frames(self) -> int:
        """How many there have been."""
        return self._lattice.frames.stop

    @property
    def size(self) -> int:
        """Prefixes that are kept, with what the networks made of them."""
        return len(self._lattice.prefixes)

    @property
    def running(self) -> list[Hypothesis]:
        """The hypotheses that are alive, best first."""
        prefixes = self._lattice.prefixes
        return [hypothesis(path, prefixes) for path in self._lattice.result(self._paths)]

    def push(self, encoder_out: Array, *, last: bool) -> list[Hypothesis]:
        """Take (T, D) more encoder output; the n-best list, as if the utterance ended with it."""
        if len(encoder_out):
            frames = self._prediction.project(encoder_out[None])[0]
            if self._scores is None:
                self._scores = Scores(self._prediction, frames, self._lattice.prefixes)
            self._scores.hear(frames)
            self._hear(self._scores, self.frames + len(frames))
        nbest: int = self._lattice.settings.nbest
        return self.running[:nbest]

    def _hear(self, scores: Scores, stop: int) -> None:
        """Search up to a frame."""
        start = self.frames
        while self.frames < stop:
            end = self._end(stop)
            self._lattice = attrs.evolve(self._lattice, frames=range(self.frames, end))
            search = self._search(self._lattice, self._paths)
            (self._paths,) = answer([search], [-start], scores)
        self._forget(scores)

    def _end(self, stop: int) -> int:
        """Up to where to search at once; where a block begins, the best path may be alone."""
        if not self._streaming.incremental_decode:
            return stop
        if self.frames == self._streaming.block_end(self._block):
            self._paths = self._lattice.result(self._paths)[:1]
            self._block += 1
        return min(stop, self._streaming.block_end(self._block))

    def _forget(self, scores: Scores) -> None:
        """Keep what the paths need."""
        prefixes, fusion = self._lattice.prefixes, self._lattice.fusion
        # `expanding` asks for what a path extends, and reading that takes the one before it.
        before = getattr(self._lattice.settings, "prefix_alpha", 0) + 1
        both = fusion is not None and fusion.prefixes is prefixes
        said = prefixes.needed({path.prefix for path in self._paths}, before)
        found = _keep(said, [scores, *([fusion] if fusion and both else []), prefixes])
        heard = {0: 0}
        if fusion is not None and not both:
            asked = {number for path in self._paths for number in (path.read, path.asked)}
            heard = _keep(fusion.prefixes.needed(asked, before), [fusion, fusion.prefixes])
        self._paths = [
            Path(found[p.prefix], p.score, p.frames, heard[p.read], heard[p.asked])
            for p in self._paths
        ]


def _keep(numbers: Sequence[int], holders: Sequence[Scores | Fusion | Prefixes]) -> dict[int, int]:
    """Forget all other prefixes; old -> new numbers."""
    for holder in holders:
        holder.keep(numbers)
    return {number: index for index, number in enumerate(numbers)}


def _check(streaming: Streaming) -> None:
    for name in ("encoded_feat_length_limit", "decoder_text_length_limit"):
        if getattr(streaming, name):
            raise InputError(
                f"streaming option {name}={getattr(streaming, name)} is for attention decoders, "
                "and this model is a transducer: leave it out"
            )
