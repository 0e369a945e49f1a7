"""The searches of a transducer over a batch of encoder output.

Shapes: B utterances, T frames, J joint width, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import attrs

from espnet_onnx.errors import InputError
from espnet_onnx.parts.option_checks import needs
from espnet_onnx.parts.streaming_settings import Streaming
from espnet_onnx.parts.transcript import Transcript
from espnet_onnx.roles import Encoded, Prediction, Scorer

from .best_first import best_first
from .expanding import adaptive_expansion, step_constrained
from .fusion import Fusion
from .greedy import greedy, multi_blank_greedy
from .lattice import PAIRS, Lattice
from .paths import Path
from .prefixes import Prefixes
from .scores import Scores, Search, answer
from .settings import TransducerDecoding
from .stream import GoingOn, TransducerStream, hypothesis
from .synchronous import align_length_synchronous, time_synchronous

__all__ = ["TransducerSearch"]

_SEARCHES = ("default", "tsd", "alsd", "nsc", "maes")


@attrs.define
class TransducerSearch:
    """`BeamSearchTransducer` (espnet2/asr/transducer/beam_search_transducer.py) in numpy.

    Attributes:
        prediction: prediction and joint network.
        lm: the language model, if there is one.
        blank: id of the blank, the first token of every hypothesis.
        durations: frames of each big blank; none in an ordinary model.
        going_on: name -> search, of those that go from frame to frame, so streams can, too.
    """

    going_on: ClassVar[Mapping[str, GoingOn]] = {
        "default": best_first,
        "tsd": time_synchronous,
        "nsc": step_constrained,
        "maes": adaptive_expansion,
    }

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
        fit = ("mbg",) if self.durations else _SEARCHES
        if settings.search not in fit:
            kind = "several blanks" if self.durations else "one blank"
            raise InputError(
                f"search={settings.search} does not fit a model with {kind}: "
                f"give {' or '.join(fit)}"
            )
        self._check_expansions(settings)
        self._check_lm(settings)

    def _check_lm(self, settings: Any) -> None:
        """Refuse a weight that somebody set for a model that is not there."""
        weight = settings.lm_weight
        if self.lm is None and weight not in (0.0, type(settings)().lm_weight):
            raise needs("lm", "lm_weight", weight)

    def _check_expansions(self, settings: Any) -> None:
        """Refuse more candidates than there are tokens."""
        wanted = settings.beam_size + settings.expansion_beta
        if settings.search == "maes" and wanted > self.vocab_size:
            raise InputError(
                f"search=maes looks at beam_size + expansion_beta = {wanted} tokens, and the model "
                f"has {self.vocab_size}: make one smaller"
            )

    def __call__(self, encoded: Encoded, settings: TransducerDecoding) -> list[Transcript]:
        """Decode a batch of encoder output."""
        frames = self.prediction.project(encoded.out)
        prefixes = Prefixes(self.blank)
        scores = Scores(self.prediction, frames.reshape(-1, frames.shape[-1]), prefixes)
        search, lattice = self._search(settings), self._lattice(settings, prefixes)
        lattice = attrs.evolve(lattice, pairs=PAIRS // len(frames))
        searches = [
            search(attrs.evolve(lattice, frames=range(length))) for length in encoded.lengths
        ]
        starts = [b * frames.shape[1] for b in range(len(frames))]
        found = answer(searches, starts, scores)
        return [
            Transcript(
                [hypothesis(path, prefixes) for path in paths[: settings.nbest]],
                None,
                self.blank,
                frames=int(length),
            )
            for paths, length in zip(found, encoded.lengths, strict=True)
        ]

    def stream(self, settings: TransducerDecoding, streaming: Streaming) -> TransducerStream:
        """Begin to decode encoder output that comes in.

        Raises:
            InputError: the search, or an option, is none for streams.
        """
        search = self._going_on(settings)
        if search is None:
            if self.durations:
                raise InputError("a model with several blanks needs whole recordings")
            raise InputError(
                f"search={settings.search} needs whole recordings: give {', '.join(self.going_on)} "
                "for a stream"
            )
        lattice = self._lattice(settings, Prefixes(self.blank))
        return TransducerStream(self.prediction, search, lattice, streaming)

    def _search(self, settings: TransducerDecoding) -> Callable[[Lattice], Search[list[Path]]]:
        going_on = self._going_on(settings)
        if going_on is not None:
            return partial(_whole, going_on)
        return multi_blank_greedy if self.durations else align_length_synchronous

    def _going_on(self, settings: TransducerDecoding) -> GoingOn | None:
        """The search, if it goes from frame to frame."""
        if self.durations:
            return None
        return greedy if settings.beam_size == 1 else self.going_on.get(settings.search)

    def _lattice(self, settings: TransducerDecoding, prefixes: Prefixes) -> Lattice:
        """One without frames."""
        blanks = self.blank - len(self.durations), (*reversed(self.durations), 1)
        return Lattice(range(0), prefixes, settings, self._fusion(settings, prefixes), blanks)

    def _fusion(self, settings: TransducerDecoding, prefixes: Prefixes) -> Fusion | None:
        if self.lm is None or settings.lm_weight == 0 or settings.beam_size == 1:
            return None
        # As in ESPnet: only the default search shows the model <sos>, the others the blank.
        start = self.vocab_size - 1 if settings.search == "default" else self.blank
        # There the model does not read all that a path says.
        heard = Prefixes(self.blank) if settings.search == "maes" else prefixes
        return Fusion(self.lm, heard, start)


def _whole(going_on: GoingOn, lattice: Lattice) -> Search[list[Path]]:
    """A search of all frames, from the first on."""
    return lattice.result((yield from going_on(lattice, [Path(0, 0.0)])))
