"""What the claims on all generators have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import espnet_onnx as eo

__all__ = ["bands_of", "part_of", "product", "with_defaults"]


def with_defaults(conf: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A generator's constructor arguments, completed."""
    return {**defaults, **conf}


def bands_of(conf: Mapping[str, Any]) -> int | eo.Declined:
    """How many bands a generator speaks in; more than one are joined by ESPnet's `PQMF`.

    That filter bank belongs to the generator's parent (`JointText2Wav`), who writes its arguments
    into the conf as `pqmf_params` and gives its live module as `given["pqmf"]`.
    """
    if conf.get("use_causal_conv"):
        return eo.Declined("use_causal_conv: ESPnet has no causal vocoder")
    bands = int(conf.get("out_channels", 1))
    params = conf.get("pqmf_params")
    if params is None:
        alone = bands == 1
        reason = f"out_channels {bands} without a filter bank (pqmf_params) are no waveform"
        return bands if alone else eo.Declined(reason)
    if int(params.get("subbands", 4)) != bands:
        return eo.Declined(f"out_channels {bands} are not the {params.get('subbands', 4)} of PQMF")
    return bands


def part_of(
    kind: str,
    component: eo.Component,
    *,
    scales: Sequence[int],
    bands: int,
    context: int | None,
    shortest: int = 1,
    **config: Any,
) -> eo.Part:
    """A claim.

    Args:
        kind: the part's.
        component: that is claimed; its parent may give the `sample_rate`.
        scales: of the upsampling layers.
        bands: of the output.
        context: see `roles.Vocoder`.
        shortest: fewest frames that ESPnet takes.
        config: what else the run time needs.
    """
    rate = component.given.get("sample_rate")
    return eo.Part(
        kind,
        config={
            "hop": bands * product(scales),
            "context": context,
            "shortest": shortest,
            "sample_rate": None if rate is None else int(rate),
            **config,
        },
    )


def product(numbers: Sequence[int]) -> int:
    """Of whole numbers; 1 for none."""
    return math.prod(map(int, numbers))
