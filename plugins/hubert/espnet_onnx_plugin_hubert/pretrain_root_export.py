"""Graph of a model of ESPnet's `hubert` task: waveform to the outputs of its blocks.

Shapes: S samples, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import attrs
from torch import Tensor

import espnet_onnx as eo

from .anatomy_graph import Anatomy
from .pretrain_root_claim import blocks
from .s3prl_anatomy_export import anatomy
from .states_export import StateMix, states_graph
from .torchaudio_anatomy_export import torchaudio_anatomy

__all__ = ["graphs"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `frontend`, checked against `extract_features` of the live model.

    Raises:
        ModelError: the encoder is of an architecture without a graph.
    """
    live, config = component.module.encoder, part.config
    found = _anatomy(live)
    # What stands behind the last block is no block's output.
    if found.norm_first:
        found = attrs.evolve(found, norm=None)
    graph = states_graph(
        StateMix(found, first=1),
        _Blocks(live),
        config["layer_weights"],
        config["shortest"],
        config["sample_rate"],
    )
    return {"frontend": graph}


def _anatomy(live: Any) -> Anatomy:
    if hasattr(live, "hubert_pretrain_model"):
        return torchaudio_anatomy(live.hubert_pretrain_model.wav2vec2)
    return anatomy(SimpleNamespace(model=live.encoder))


@attrs.frozen
class _Blocks:
    """What s3prl's `espnet_hubert`, and fairseq's feature reader, call; of one utterance."""

    live: Any

    def __call__(self, speech: Tensor, lengths: Tensor) -> Sequence[Tensor]:
        if hasattr(self.live, "hubert_pretrain_model"):
            model = self.live.hubert_pretrain_model.wav2vec2
            states: Sequence[Tensor] = model.extract_features(speech, lengths)[0]
            return states
        return [
            self.live.encoder.extract_features(speech, mask=False, output_layer=number)[0]
            for number, _ in enumerate(blocks(self.live), 1)
        ]
