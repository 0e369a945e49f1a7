"""The claim on a whole model of ESPnet's standalone transducer task."""

from __future__ import annotations

import attrs

import espnet_onnx as eo
from espnet_onnx.recognition import (
    companions,
    given_to_children,
    no_tokenizer,
    recognition_config,
    stages,
    tokenizer_files,
)

from .root_claim import prediction
from .settings import StandaloneDecoding

__all__ = ["claim"]

KIND = "conformer_transducer.standalone"
STAGES = ("frontend", "normalize", "encoder")


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors `ESPnetASRTransducerModel`; its CTC and language model only help the training."""
    reason = no_tokenizer(component.conf)
    if reason is not None:
        return eo.Declined(reason)
    given = given_to_children(component)
    children = stages(component, STAGES, given) | prediction(component, given)
    config = recognition_config(component, weight=0.0)
    config["decoding"] = attrs.asdict(StandaloneDecoding())
    return eo.Part(KIND, children | companions(component), config, tokenizer_files(component))
