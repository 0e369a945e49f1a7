"""The claim on vocoder `griffin_lim`, which needs no training and no graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.errors import InputError
from espnet_onnx.parts.griffin_lim import GriffinLim

__all__ = ["KIND", "claim", "graphs"]

KIND = "vocoders.griffin_lim"


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """`conf` is what a feature extractor's `get_parameters` returns; see `GriffinLim.of`."""
    conf = {name: value for name, value in component.conf.items() if value is not None}
    missing = [name for name in ("fs", "n_fft", "n_shift") if name not in conf]
    if missing:
        return eo.Declined(f"Griffin-Lim needs {', '.join(missing)}: give a vocoder")
    try:
        GriffinLim.of(conf)
    except InputError as error:
        return eo.Declined(str(error))
    return eo.Part(KIND, config={"conf": conf})


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, Any]:
    """None: numpy does it all."""
    return {}
