"""Graph of vocoder `style_melgan`.

Shapes: B utterances, Z channels of the noise, N steps of the noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from unittest import mock

import numpy as np
import torch
from torch import Tensor

import espnet_onnx as eo
from espnet_onnx.types import Feed

from .generator_export import Normalise, generator_graph
from .style_melgan_graph import StyleMelGAN

__all__ = ["graphs"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `vocoder`, whose input `noise` (B, Z, N) has a step for every few frames."""
    live = component.module
    channels, _, frames = part.config["noise"]

    def speak(feats: Tensor, given: Mapping[str, Tensor]) -> Tensor:
        # ESPnet draws the noise itself.
        with mock.patch.object(torch, "randn", lambda *shape, **_: given["noise"].view(*shape)):
            wave: Tensor = live.inference(feats)
        return wave

    def noise(lengths: Sequence[int]) -> Feed:
        steps = -(-np.array(lengths, np.int64) // frames)
        rng = np.random.default_rng([2, *lengths])
        drawn = rng.normal(size=(len(lengths), channels, steps.max()))
        return {"noise": drawn.astype(np.float32), "noise_lengths": steps}

    return generator_graph(
        component,
        part,
        StyleMelGAN(live, Normalise.of(component)),
        speak,
        width=int(live.blocks[0].tade1.aux_conv[0].in_channels),
        inputs={"noise": ("batch", None, "steps")},
        lengths={"steps": "noise_lengths"},
        more=noise,
    )
