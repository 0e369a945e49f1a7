"""The options of a search."""

from __future__ import annotations

import math
from typing import Any

import attrs

from ..errors import InputError

__all__ = ["SEARCHES", "Decoding"]

SEARCHES = ("beam", "greedy", "time_sync")
# Beams far beyond use, which take all memory there is, are slips of the pen.
WIDEST = 10_000


def _finite(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refused(attribute.name, value, "a finite number")


def _whole(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    smallest = 0 if attribute.name == "ctc_window_margin" else 1
    if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
        raise _refused(attribute.name, value, f"a whole number of at least {smallest}")


def _beam(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    _whole(_, attribute, value)
    if value > WIDEST:
        raise _refused(attribute.name, value, f"a whole number of at most {WIDEST}")


def _share(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    _finite(_, attribute, value)
    if not 0.0 <= value <= 1.0:
        raise _refused(attribute.name, value, "a number from 0 to 1")


def _longest(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    _finite(_, attribute, value)
    if -1.0 < value < 0.0:
        raise _refused(attribute.name, value, "0, a positive ratio, or minus a number of tokens")


def _switch(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool):
        raise _refused(attribute.name, value, "true or false")


def _search(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value not in SEARCHES:
        raise _refused(attribute.name, value, "one of " + ", ".join(SEARCHES))


def _refused(name: str, value: Any, wanted: str) -> InputError:
    return InputError(f"decoding option {name}={value!r} cannot be used: give {wanted}")


@attrs.frozen(kw_only=True)
class Decoding:
    """The options of a search, with the names, meanings and defaults of ESPnet 202611's
    `espnet2.bin.asr_inference.Speech2Text`. Plain JSON values.

    Attributes:
        beam_size: hypotheses kept at every step.
        ctc_weight: weight of CTC; the attention decoder gets the rest. 0 or 1 leave one out.
        lm_weight: weight of the language model.
        ngram_weight: weight of the n-gram model.
        rescoring_weight: of the language model in a second pass over the `nbest` hypotheses, for a
            search without it (`lm_weight` 0); 0 is no second pass. ESPnet has none.
        penalty: added for every token, so positive values favour longer results.
        maxlenratio: most tokens, as a share of the encoder frames; 0 ends when nothing better
            can follow; a negative value is minus that number of tokens.
        minlenratio: fewest tokens, as a share of the encoder frames; a negative value is minus
            that number.
        nbest: hypotheses returned.
        normalize_length: rank finished hypotheses by score per token.
        ctc_window_margin: half-width in frames of the window of CTC prefix scores; 0 is exact.
        search: "beam"; or for CTC alone "greedy", without a beam, or "time_sync", a beam that
            moves frame by frame.

    Raises:
        InputError: a value is out of range.
    """

    beam_size: int = attrs.field(default=20, validator=_beam)
    ctc_weight: float = attrs.field(default=0.5, validator=_share)
    lm_weight: float = attrs.field(default=1.0, validator=_finite)
    ngram_weight: float = attrs.field(default=0.9, validator=_finite)
    rescoring_weight: float = attrs.field(default=0.0, validator=_finite)
    penalty: float = attrs.field(default=0.0, validator=_finite)
    maxlenratio: float = attrs.field(default=0.0, validator=_longest)
    minlenratio: float = attrs.field(default=0.0, validator=_finite)
    nbest: int = attrs.field(default=1, validator=_whole)
    normalize_length: bool = attrs.field(default=False, validator=_switch)
    ctc_window_margin: int = attrs.field(default=100, validator=_whole)
    search: str = attrs.field(default="beam", validator=_search)

    @property
    def weights(self) -> dict[str, float]:
        """Scorer name -> weight, as `Speech2Text.__init__` hands them to its search."""
        return {
            "decoder": 1.0 - self.ctc_weight,
            "ctc": self.ctc_weight,
            "lm": self.lm_weight,
            "ngram": self.ngram_weight,
            "length_bonus": self.penalty,
        }

    def longest(self, frames: int) -> int:
        """Most tokens for an utterance of `frames` (`BatchBeamSearch._length_bounds`)."""
        if self.maxlenratio == 0:
            return frames
        if self.maxlenratio < 0:
            return -int(self.maxlenratio)
        return max(1, int(self.maxlenratio * frames))

    def shortest(self, frames: int) -> int:
        """Fewest tokens for an utterance of `frames` (`BatchBeamSearch._length_bounds`)."""
        if self.minlenratio < 0:
            return -int(self.minlenratio)
        return int(self.minlenratio * frames)
