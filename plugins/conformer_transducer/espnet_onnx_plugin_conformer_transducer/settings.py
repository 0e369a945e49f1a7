"""The settings of a transducer's searches."""

from __future__ import annotations

from typing import ClassVar

import attrs

from espnet_onnx.parts.option_checks import beam, finite, one_of, switch, whole

__all__ = ["StandaloneDecoding", "TransducerDecoding"]

_search = one_of(("default", "tsd", "alsd", "nsc", "maes", "mbg"), " (beam_size=1 is greedy)")
_standalone_search = one_of(("default", "tsd", "alsd", "maes"))


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

    beam_size: int = attrs.field(default=20, validator=beam)
    lm_weight: float = attrs.field(default=1.0, validator=finite)
    nbest: int = attrs.field(default=1, validator=whole(1))
    search: str = attrs.field(default="default", validator=_search)
    max_sym_exp: int = attrs.field(default=2, validator=whole(1))
    u_max: int = attrs.field(default=50, validator=whole(1))
    nstep: int = attrs.field(default=1, validator=whole(1))
    prefix_alpha: int = attrs.field(default=1, validator=whole(0))
    expansion_gamma: float = attrs.field(default=2.3, validator=finite)
    expansion_beta: int = attrs.field(default=2, validator=whole(0))
    score_norm: bool = attrs.field(default=True, validator=switch())
    score_norm_during: bool = attrs.field(default=False, validator=switch())


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

    beam_size: int = attrs.field(default=5, validator=beam)
    lm_weight: float = attrs.field(default=1.0, validator=finite)
    nbest: int = attrs.field(default=1, validator=whole(1))
    search: str = attrs.field(default="default", validator=_standalone_search)
    max_sym_exp: int = attrs.field(default=3, validator=whole(1))
    u_max: int = attrs.field(default=50, validator=whole(1))
    nstep: int = attrs.field(default=2, validator=whole(1))
    expansion_gamma: float = attrs.field(default=2.3, validator=finite)
    expansion_beta: int = attrs.field(default=2, validator=whole(0))
    score_norm: bool = attrs.field(default=False, validator=switch())
