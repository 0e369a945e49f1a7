"""What a search works with: some frames, the tree of prefixes, the settings, a language model."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from espnet_onnx.types import Array

from .fusion import Fusion
from .paths import Path, best_tokens, ranked
from .prefixes import Prefixes
from .settings import TransducerDecoding

__all__ = ["PAIRS", "Lattice"]

# So many cost a network little more than one.
PAIRS = 16


@attrs.frozen
class Lattice:
    """Frames of an utterance, all or the next of a stream, and what its search needs to know.

    Attributes:
        frames: their numbers in the utterance.
        fusion: the language model's scores; None without one.
        blanks: (first blank, frames of each blank), of a model with several.
        pairs: of a frame and a prefix, worth asking for at once; fewer where other utterances are
            decoded beside this one.
    """

    frames: range
    prefixes: Prefixes
    settings: TransducerDecoding
    fusion: Fusion | None = None
    blanks: tuple[int, tuple[int, ...]] = (0, (1,))
    pairs: int = PAIRS

    @property
    def beam(self) -> int:
        """Hypotheses kept."""
        return self.settings.beam_size

    def during(self, path: Path) -> float:
        """The rank of a path while the search goes on."""
        return self._normalised(path) if self.settings.score_norm_during else path.score

    def result(self, paths: Sequence[Path]) -> list[Path]:
        """`BeamSearchTransducer.sort_nbest`, uncut."""
        rank = self._normalised if self.settings.score_norm else lambda path: path.score
        return ranked(paths, rank, len(paths))

    def _normalised(self, path: Path) -> float:
        # ESPnet counts the blank that every hypothesis begins with.
        return path.score / (self.prefixes.length[path.prefix] + 1)

    def silent(self, path: Path, row: Array) -> Path:
        """The path after a blank, which is token 0."""
        return Path(path.prefix, path.score + float(row[0]), path.frames)

    def extended(self, path: Path, token: int, score: float, frame: int) -> Path:
        """The path with a token more, and the language model's opinion of it."""
        if self.fusion is not None:
            score += self.settings.lm_weight * float(self.fusion(path.prefix)[token])
        prefix = self.prefixes.extended(path.prefix, token)
        return Path(prefix, score, (frame, path.frames))

    def read_together(self, paths: Sequence[Path]) -> None:
        """Told of the paths that a language model reads next, in one batch."""

    def expanded(self, path: Path, row: Array, frame: int) -> list[Path]:
        """The path with each of the best tokens, as many as the beam has places."""
        return [
            self.extended(path, k, path.score + float(row[k]), frame)
            for k in best_tokens(row, self.beam)
        ]
