"""The options of a search."""

from __future__ import annotations

from typing import Any

import attrs

from .option_checks import beam, finite, one_of, refused, share, switch, whole

__all__ = ["SEARCHES", "Decoding"]

SEARCHES = ("beam", "greedy", "time_sync")


def _longest(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    finite(_, attribute, value)
    if -1.0 < value < 0.0:
        raise refused(attribute.name, value, "0, a positive ratio, or minus a number of tokens")


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

    beam_size: int = attrs.field(default=20, validator=beam)
    ctc_weight: float = attrs.field(default=0.5, validator=share)
    lm_weight: float = attrs.field(default=1.0, validator=finite)
    ngram_weight: float = attrs.field(default=0.9, validator=finite)
    rescoring_weight: float = attrs.field(default=0.0, validator=finite)
    penalty: float = attrs.field(default=0.0, validator=finite)
    maxlenratio: float = attrs.field(default=0.0, validator=_longest)
    minlenratio: float = attrs.field(default=0.0, validator=finite)
    nbest: int = attrs.field(default=1, validator=whole(1))
    normalize_length: bool = attrs.field(default=False, validator=switch())
    ctc_window_margin: int = attrs.field(default=100, validator=whole(0))
    search: str = attrs.field(default="beam", validator=one_of(SEARCHES))

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
