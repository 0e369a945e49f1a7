"""Graph of vocoder `melgan`."""

from __future__ import annotations

from collections.abc import Mapping

import espnet_onnx as eo

from .generator_export import Normalise, filter_bank, generator_graph
from .melgan_claim import PADDINGS
from .melgan_graph import MelGAN

__all__ = ["graphs"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `vocoder`."""
    live = component.module
    mode = PADDINGS[component.conf.get("pad", "ReflectionPad1d")]
    module = MelGAN(live, Normalise.of(component), mode, filter_bank(component))
    width = int(live.melgan[1].in_channels)
    return generator_graph(
        component,
        part,
        module,
        lambda feats, _: live.inference(feats),
        width=width,
        ragged=False,
    )
