"""The searches of a transducer over a batch of encoder output.

Shapes: B utterances, T frames, J joint width, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np

from espnet_onnx.errors import InputError
from espnet_onnx.parts.hypothesis import Hypothesis
from espnet_onnx.parts.transcript import Transcript
from espnet_onnx.roles import Encoded, Prediction, Scorer

from .best_first import best_first
from .greedy import greedy
from .paths import Path
from .prefixes import Prefixes
from .scores import Scores, Search, answer
from .settings import TransducerDecoding

__all__ = ["TransducerSearch"]

# What looks for paths in one utterance of so many frames.
Searching = Callable[[int, Prefixes, TransducerDecoding, int], Search[list[Path]]]
_SEARCHES: dict[str, Searching] = {"default": best_first, "greedy": greedy}


@attrs.define
class TransducerSearch:
    """`BeamSearchTransducer` (espnet2/asr/transducer/beam_search_transducer.py) in numpy.

    Attributes:
        prediction: prediction and joint network.
        lm: the language model, if there is one.
        blank: id of the blank, the first token of every hypothesis.
        durations: frames of each big blank; none in an ordinary model.
    """

    prediction: Prediction
    lm: Scorer | None
    blank: int = attrs.field(kw_only=True)
    vocab_size: int = attrs.field(kw_only=True)
    durations: tuple[int, ...] = attrs.field(kw_only=True)

    @property
    def sos(self) -> int:
        """What ESPnet puts before a result."""
        return self.blank

    @property
    def eos(self) -> int:
        """ESPnet puts nothing behind a result; who wants both ends gets the blank."""
        return self.blank

    def check(self, settings: TransducerDecoding) -> None:
        """Refuse a search that does not fit the model.

        Raises:
            InputError: names those that do.
        """
        if self._search(settings) not in _SEARCHES:
            fit = ", ".join(_SEARCHES)
            raise InputError(f"search={settings.search} does not fit this model: give one of {fit}")

    def __call__(self, encoded: Encoded, settings: TransducerDecoding) -> list[Transcript]:
        """Decode a batch of encoder output."""
        frames = self.prediction.project(encoded.out)
        prefixes = Prefixes(self.blank)
        scores = Scores(self.prediction, frames.reshape(-1, frames.shape[-1]), prefixes)
        search = _SEARCHES[self._search(settings)]
        lengths = [int(length) for length in encoded.lengths]
        searches = [search(length, prefixes, settings, self.blank) for length in lengths]
        starts = np.arange(len(lengths)) * frames.shape[1]
        return [
            self._transcript(paths, prefixes, settings)
            for paths in answer(searches, starts.tolist(), scores)
        ]

    def _transcript(
        self, paths: Sequence[Path], prefixes: Prefixes, settings: TransducerDecoding
    ) -> Transcript:
        """`BeamSearchTransducer.sort_nbest`: a hypothesis is one token longer than its result."""

        def rank(path: Path) -> float:
            return path.score / (prefixes.length[path.prefix] + 1 if settings.score_norm else 1)

        best = sorted(paths, key=rank, reverse=True)[: settings.nbest]
        return Transcript([_hypothesis(path, prefixes) for path in best], None, self.blank)

    def _search(self, settings: TransducerDecoding) -> str:
        return "greedy" if settings.beam_size == 1 else settings.search


def _hypothesis(path: Path, prefixes: Prefixes) -> Hypothesis:
    scores = {"transducer": path.score}
    return Hypothesis(prefixes.tokens(path.prefix), path.score, scores, path.frames)
