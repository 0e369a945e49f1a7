"""What the standalone task's searches do otherwise than those of the asr task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np

from espnet_onnx.types import Array

from .expanding import adaptive, ask
from .fusion import Fusion
from .lattice import Lattice
from .paths import Path, ranked
from .scores import Search
from .synchronous import align_length_synchronous, merge

__all__ = ["StandaloneFusion", "StandaloneLattice", "aligned", "recombining_expansion"]

_BLANK = 0


class StandaloneFusion(Fusion):
    """A language model that begins with <sos>, or with the blank.

    What began with the blank stands in the tree of prefixes behind a blank, which is in no other.
    """

    def _read(self, prefix: int) -> tuple[Array, Any]:
        tokens = self.prefixes.tokens(prefix)
        if tokens[:1] != (_BLANK,):
            return super()._read(prefix)
        if len(tokens) > 1:
            state = self._known[self.prefixes.parent[prefix]][1]
        else:
            state = self._lm.start(np.zeros((1, 0, 0), np.float32), np.zeros(1, np.int64))
        given = np.array([[tokens]], np.int64)
        log_probs, state = self._lm.score(given, state, np.zeros((1, 1), np.int64))
        return log_probs[0, 0], state


@attrs.frozen
class StandaloneLattice(Lattice):
    """One whose paths know what the language model read, in the fusion's own tree."""

    def silent(self, path: Path, row: Array) -> Path:
        """The path after a blank, which is token 0."""
        return attrs.evolve(path, score=path.score + float(row[_BLANK]))

    def extended(self, path: Path, token: int, score: float, frame: int) -> Path:
        """The path with a token more, and the language model's opinion of it."""
        read = 0
        if self.fusion is not None:
            score += self.settings.lm_weight * float(self.fusion(path.asked)[token])
            read = self.fusion.prefixes.extended(path.asked, token)
        prefix = self.prefixes.extended(path.prefix, token)
        return Path(prefix, score, (frame, path.frames), read, read)

    def read_together(self, paths: Sequence[Path]) -> None:
        """Decide what the language model reads before the first token.

        `BeamSearchTransducer.create_lm_batch_inputs` pads behind <sos> and the model reads the last
        column: of an empty hypothesis beside longer ones that is a blank.
        """
        if self.fusion is None:
            return
        lengths = [self.prefixes.length[path.prefix] for path in paths]
        for path, length in zip(paths, lengths, strict=True):
            if not length:
                padded = max(lengths) > 0
                path.read = self.fusion.prefixes.extended(0, _BLANK) if padded else 0
                path.asked = path.read


def aligned(lattice: Lattice) -> Search[list[Path]]:
    """`BeamSearchTransducer.align_length_sync_decoding`, which here sorts in every case."""
    return lattice.result((yield from align_length_synchronous(lattice)))


def recombining_expansion(lattice: Lattice, kept: list[Path]) -> Search[list[Path]]:
    """`BeamSearchTransducer.modified_adaptive_expansion_search` of the standalone task.

    It has no prefix search, and makes one of hypotheses that say the same. The language model
    reads all that a path says.
    """
    for frame in lattice.frames:
        paths = kept
        known: dict[int, Array] = {}
        silent: list[Path] = []
        for _ in range(lattice.settings.nstep):
            yield from ask(paths, frame, known)
            said: list[Path] = []
            for path in paths:
                quiet, new = adaptive(lattice, path, known[path.prefix], frame)
                silent += quiet
                said += new
            for path in said:
                path.read = path.asked
            paths = said
            if not said:
                break
        yield from ask(paths, frame, known)
        for path in paths:
            path.score += float(known[path.prefix][_BLANK])
        kept = ranked(_recombined([*silent, *paths]), lattice.during, lattice.beam)
    return kept


def _recombined(paths: Iterable[Path]) -> Iterable[Path]:
    """`BeamSearchTransducer.recombine_hyps`."""
    merged: dict[int, Path] = {}
    for path in paths:
        merge(merged, path)
    return merged.values()
