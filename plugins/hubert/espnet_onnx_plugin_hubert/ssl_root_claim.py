"""The claim on a whole model of ESPnet's `ssl` task (XEUS and its like), as feature extractor."""

from __future__ import annotations

from collections.abc import Mapping

import espnet_onnx as eo
from espnet_onnx.recognition import given_to_children, stages

__all__ = ["KIND", "claim", "graphs"]

KIND = "hubert.ssl_model"
STAGES = ("frontend", "normalize", "preencoder", "encoder")

# Frames of the frontend in one of the encoder; 1 for input layers that are not here.
_SUBSAMPLING = {
    "conv1d2": 2,
    "conv1d3": 3,
    "conv2d": 4,
    "conv2d2": 2,
    "conv2d6": 6,
    "conv2d8": 8,
}


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors `SSLTask.build_model` and what `ESPnetSSLModel.inference_encode` runs of it.

    The encoder is asked for every block's output, or for those that `given["hidden_states"]`
    numbers, from 1.
    """
    conf = component.conf
    if conf.get("model") != "espnet":
        return eo.Declined(f"model {conf.get('model')} is none that ESPnet's ssl task has")
    if conf.get("input_size") is not None:
        return eo.Declined("input_size: it takes features instead of a waveform")
    encoder = conf["encoder_conf"]
    blocks = int(encoder["num_blocks"])
    states = list(component.given.get("hidden_states") or range(1, blocks + 1))
    given = {**given_to_children(component), "hidden_states": states}
    config = {"states": states, "subsampling": _SUBSAMPLING.get(encoder["input_layer"], 1)}
    return eo.Part(KIND, stages(component, STAGES, given), config)


def graphs(_component: eo.Component, _part: eo.Part) -> Mapping[str, eo.Graph]:
    """None of its own: its children have them all."""
    return {}
