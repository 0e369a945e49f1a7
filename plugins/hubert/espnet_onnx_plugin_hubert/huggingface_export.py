"""Graph of frontend `huggingface`: waveform to what a model of transformers gives.

Shapes: S samples, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from torch import Tensor

import espnet_onnx as eo

from .states_export import StateMix, states_graph
from .transformers_anatomy_export import transformers_anatomy

__all__ = ["graphs"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `frontend`, checked against the live model and its processor.

    Its lengths are those of the convolutions, as in ESPnet 202611; 202511 gave samples for frames.

    Raises:
        ModelError: the model computes something that has no graph.
    """
    live, config = component.module, part.config
    model = StateMix(transformers_anatomy(live.encoder, live.processor))
    graph = states_graph(
        model, _States(live), config["layer_weights"], config["shortest"], config["sample_rate"]
    )
    return {"frontend": graph}


@attrs.frozen
class _States:
    """`HuggingFaceFrontend.forward` of one utterance, asked for all states of the encoder."""

    live: Any

    def __call__(self, speech: Tensor, lengths: Tensor) -> Sequence[Tensor]:
        rate = self.live.processor.sampling_rate
        prepared = self.live.processor(
            [speech[0].numpy()], return_tensors="pt", sampling_rate=rate, padding=True
        )
        out = self.live.encoder(**prepared, output_hidden_states=True)
        feats, _ = self.live(speech, lengths)
        # What the frontend itself says stands last, so that it is what parity sees of it.
        return [*out.hidden_states[:-1], feats]
