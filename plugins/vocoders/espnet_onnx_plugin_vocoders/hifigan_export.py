"""Graph of vocoder `hifigan`.

Shapes: B utterances, T frames, D features, G width of the condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

import espnet_onnx as eo
from espnet_onnx.types import Feed

from .generator_export import Normalise, filter_bank, generator_graph
from .hifigan_graph import ConditionedHiFiGAN, HiFiGAN

__all__ = ["graphs"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `vocoder`, with an input `speaker` (B, G) where there is such a condition."""
    live = component.module
    size = int(component.conf.get("global_channels", -1))
    parts = (live, Normalise.of(component), filter_bank(component))
    width = int(live.input_conv.in_channels)
    if size < 1:
        return generator_graph(
            component,
            part,
            HiFiGAN(*parts),
            lambda feats, _: live.inference(feats),
            width=width,
            ragged=False,
        )

    def speak(feats: Tensor, given: Mapping[str, Tensor]) -> Tensor:
        wave: Tensor = live.inference(feats, given["speaker"].T)
        return wave

    def speakers(lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng([1, *lengths])
        return {"speaker": rng.normal(size=(len(lengths), size)).astype(np.float32)}

    return generator_graph(
        component,
        part,
        ConditionedHiFiGAN(*parts),
        speak,
        width=width,
        inputs={"speaker": ("batch", None)},
        more=speakers,
        ragged=False,
    )
