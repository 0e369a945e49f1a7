"""Graph of vocoder `parallel_wavegan`.

Shapes: B utterances, N samples (of one band).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

import espnet_onnx as eo
from espnet_onnx.types import Feed

from .generator_export import Normalise, filter_bank, generator_graph
from .parallel_wavegan_graph import ParallelWaveGAN

__all__ = ["graphs"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `vocoder`, whose input `noise` (B, 1, N) has a value for every sample."""
    live = component.module
    steps = part.config["noise"][1]

    def speak(feats: Tensor, given: Mapping[str, Tensor]) -> Tensor:
        wave: Tensor = live.inference(feats, given["noise"][0].T)
        return wave

    def noise(lengths: Sequence[int]) -> Feed:
        sizes = steps * np.array(lengths, np.int64)
        drawn = np.random.default_rng([3, *lengths]).normal(size=(len(lengths), 1, sizes.max()))
        return {"noise": drawn.astype(np.float32), "noise_lengths": sizes}

    return generator_graph(
        component,
        part,
        ParallelWaveGAN(live, Normalise.of(component), filter_bank(component)),
        speak,
        width=int(live.aux_channels),
        inputs={"noise": ("batch", None, "steps")},
        lengths={"steps": "noise_lengths"},
        more=noise,
    )
