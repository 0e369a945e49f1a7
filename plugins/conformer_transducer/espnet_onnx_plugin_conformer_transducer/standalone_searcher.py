"""The searches of the standalone task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import attrs

from .best_first import best_first
from .lattice import Lattice
from .paths import Path
from .prefixes import Prefixes
from .scores import Search
from .searcher import TransducerSearch
from .standalone_searches import (
    StandaloneFusion,
    StandaloneLattice,
    aligned,
    recombining_expansion,
)
from .stream import GoingOn
from .synchronous import time_synchronous

__all__ = ["StandaloneSearch"]


@attrs.define
class StandaloneSearch(TransducerSearch):
    """`BeamSearchTransducer` (espnet2/asr_transducer/beam_search_transducer.py) in numpy.

    It follows `StandaloneDecoding`.
    """

    going_on: ClassVar[Mapping[str, GoingOn]] = {
        "default": best_first,
        "tsd": time_synchronous,
        "maes": recombining_expansion,
    }

    def check(self, settings: Any) -> None:
        """Refuse settings that do not fit the model.

        Raises:
            InputError: says why.
        """
        self._check_expansions(settings)
        self._check_lm(settings)

    def _search(self, settings: Any) -> Callable[[Lattice], Search[list[Path]]]:
        return super()._search(settings) if self._going_on(settings) else aligned

    def _going_on(self, settings: Any) -> GoingOn | None:
        return self.going_on.get(settings.search)

    def _lattice(self, settings: Any, prefixes: Prefixes) -> Lattice:
        fusion = None
        if self.lm is not None and settings.lm_weight != 0:
            # Its own tree: what the model read may begin otherwise than the hypothesis.
            fusion = StandaloneFusion(self.lm, Prefixes(self.blank), self.vocab_size - 1)
        return StandaloneLattice(range(0), prefixes, settings, fusion)
