"""Graph of a model with the lengths of its own convolutions: waveform to a sum of its states.

Shapes: B utterances, S samples, T frames, D width, L states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.types import Array, Feed

from .anatomy_graph import Anatomy
from .speech_model_graph import SpeechModel
from .wave_feed_input import random_waves, wave_trials

__all__ = ["StateMix", "states_graph"]

# Of one utterance (1, S) and (1,): the states (1, T, D) that the live model gives.
LiveStates = Callable[[Tensor, Tensor], Sequence[Tensor]]


def states_graph(
    model: StateMix, live: LiveStates, weights: Sequence[float], shortest: int, rate: int
) -> eo.Graph:
    """A graph with inputs and outputs as `frontend_runtime.StateFeatures` knows them.

    Args:
        model: the module to be.
        live: the same states of the untouched live model.
        weights: (L,), what each state counts in the model's own features.
        shortest: fewest samples.
        rate: samples a second.
    """
    own = np.array(weights, np.float32)
    return eo.Graph(
        model.eval(),
        outputs=("feats", "feats_lengths"),
        axes={
            "speech": ("batch", "samples"),
            "speech_lengths": ("batch",),
            "layer_weights": (None,),
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
        },
        lengths={"samples": "speech_lengths", "frames": "feats_lengths"},
        feed=_Feed(own),
        reference=_Reference(live),
        trials=wave_trials(shortest, rate),
        rate=float(rate),
        quantise=model.model.quantise,
    )


class StateMix(nn.Module):
    """A model's states, each multiplied by its weight, summed."""

    def __init__(self, anatomy: Anatomy, first: int = 0) -> None:
        """`first` is the state that the first weight belongs to; 1 leaves out the blocks' input."""
        super().__init__()
        self.model = SpeechModel(anatomy)
        self.first = first

    def forward(
        self, speech: Tensor, speech_lengths: Tensor, layer_weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, S), (B,), (L,) -> (B, T, D) with zeros behind each utterance, (B,)."""
        states, lengths = self.model(speech, speech_lengths)
        feats = torch.zeros_like(states[0])
        for i, state in enumerate(states[self.first :]):
            feats = feats + state * layer_weights[i]
        return feats, lengths


@attrs.frozen
class _Feed:
    """Alone an utterance is weighed as in the model; batches try the other states, too."""

    weights: Array

    def __call__(self, lengths: Sequence[int]) -> Feed:
        weights = self.weights
        if len(lengths) > 1:
            noise = np.random.default_rng(0).random(len(weights), np.float32)
            weights = noise / noise.sum()
        return {**random_waves(lengths), "layer_weights": weights}


@attrs.frozen
class _Reference:
    live: LiveStates

    def __call__(self, feed: Feed) -> Feed:
        speech, lengths = (torch.from_numpy(feed[n]) for n in ("speech", "speech_lengths"))
        with torch.no_grad():
            states = self.live(speech, lengths)
        pairs = zip(states, feed["layer_weights"].tolist(), strict=True)
        feats = torch.stack([state * weight for state, weight in pairs]).sum(0)
        frames = np.array([feats.shape[1]], np.int64)
        return {"feats": feats.numpy(), "feats_lengths": frames}
