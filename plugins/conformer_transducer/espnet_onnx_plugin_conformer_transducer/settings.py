"""The settings of a transducer's searches."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs

from espnet_onnx.errors import InputError

__all__ = ["SEARCHES", "StandaloneDecoding", "TransducerDecoding"]

SEARCHES = ("default", "tsd", "alsd", "nsc", "maes", "mbg")


def _whole(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    fewest = 0 if attribute.name in ("prefix_alpha", "expansion_beta") else 1
    if isinstance(value, bool) or not isinstance(value, int) or value < fewest:
        raise _refused(attribute.name, value, f"a whole number of at least {fewest}")


def _number(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
        raise _refused(attribute.name, value, "a finite number")


def _switch(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool):
        raise _refused(attribute.name, value, "true or false")


def _search(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value not in SEARCHES:
        raise _refused(
            attribute.name, value, "one of " + ", ".join(SEARCHES) + " (beam_size=1 is greedy)"
        )


def _refused(name: str, value: Any, wanted: str) -> InputError:
    return InputError(f"decoding option {name}={value!r} cannot be used: give {wanted}")


@attrs.frozen(kw_only=True)
class TransducerDecoding:
    """The options of `BeamSearchTransducer`, with ESPnet's names, meanings and defaults.

    Attributes:
        beam_size: hypotheses kept; 1 is greedy, whatever the search.
        lm_weight: weight of the language model.
        nbest: hypotheses returned.
        search: ESPnet's `search_type`: "default" (Graves 2012), "tsd" and "alsd" (Saon et al.
            2020), "nsc" (Boyer et al. 2021), "maes" (Kim et al. 2020); "mbg", greedy over several
            blanks (Xu et al. 2022), for models that have them.
        max_sym_exp: most tokens in one frame, of tsd.
        u_max: most tokens, of alsd.
        nstep: most expansions in one frame, of nsc and maes.
        prefix_alpha: by how many tokens a prefix may be shorter, of nsc and maes.
        expansion_gamma: how much worse than the best an expansion may be, of maes.
        expansion_beta: expansions that are looked at beyond the beam, of maes.
        score_norm: rank results by score per token.
        score_norm_during: prune by score per token, too; of default, tsd and alsd.

    Raises:
        InputError: a value is out of range.
    """

    beam_size: int = attrs.field(default=20, validator=_whole)
    lm_weight: float = attrs.field(default=1.0, validator=_number)
    nbest: int = attrs.field(default=1, validator=_whole)
    search: str = attrs.field(default="default", validator=_search)
    max_sym_exp: int = attrs.field(default=2, validator=_whole)
    u_max: int = attrs.field(default=50, validator=_whole)
    nstep: int = attrs.field(default=1, validator=_whole)
    prefix_alpha: int = attrs.field(default=1, validator=_whole)
    expansion_gamma: float = attrs.field(default=2.3, validator=_number)
    expansion_beta: int = attrs.field(default=2, validator=_whole)
    score_norm: bool = attrs.field(default=True, validator=_switch)
    score_norm_during: bool = attrs.field(default=False, validator=_switch)


@attrs.frozen(kw_only=True)
class StandaloneDecoding:
    """The options of the standalone task's `BeamSearchTransducer`, with `Speech2Text`'s defaults.

    Attributes:
        beam_size: hypotheses kept; 1 is a beam of one, not greedy.
        lm_weight: weight of the language model.
        nbest: hypotheses returned.
        search: "default", "tsd", "alsd" or "maes", as in `TransducerDecoding`.
        max_sym_exp: most tokens in one frame, of tsd.
        u_max: most tokens, of alsd.
        nstep: most expansions in one frame, of maes.
        expansion_gamma: how much worse than the best an expansion may be, of maes.
        expansion_beta: expansions that are looked at beyond the beam, of maes.
        score_norm: rank results by score per token.

    Raises:
        InputError: a value is out of range.
    """

    # This task's searches prune by score.
    score_norm_during: ClassVar[bool] = False

    beam_size: int = attrs.field(default=5, validator=_whole)
    lm_weight: float = attrs.field(default=1.0, validator=_number)
    nbest: int = attrs.field(default=1, validator=_whole)
    search: str = attrs.field(default="default", validator=_search)
    max_sym_exp: int = attrs.field(default=3, validator=_whole)
    u_max: int = attrs.field(default=50, validator=_whole)
    nstep: int = attrs.field(default=2, validator=_whole)
    expansion_gamma: float = attrs.field(default=2.3, validator=_number)
    expansion_beta: int = attrs.field(default=2, validator=_whole)
    score_norm: bool = attrs.field(default=False, validator=_switch)
