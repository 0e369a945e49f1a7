"""Puts a model that speaks together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.errors import BundleError
from espnet_onnx.parts.synthesizer import Settings, Synthesizer
from espnet_onnx.parts.text import TextToTokens
from espnet_onnx.parts.voices import Voices
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["build"]


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Synthesizer:
    """The synthesizer of a bundle.

    Raises:
        BundleError: nothing in it makes a waveform, or nothing says at which rate.
    """
    config, acoustic = node.config, children["tts"]
    vocoder = acoustic.vocoder or children.get("vocoder")
    if vocoder is None:
        raise BundleError("nothing in this bundle makes a waveform: export it with --vocoder")
    rate = vocoder.sample_rate or config["sample_rate"]
    if rate is None:
        raise BundleError("nothing says the sample rate of this model: export it with --vocoder")
    return Synthesizer(
        acoustic,
        vocoder,
        TextToTokens.of(config["text"], node.files),
        Voices(tuple(acoustic.needs), **config["voices"]),
        int(rate),
        Settings(dict(acoustic.options)).but(**config["decoding"]),
        _denormalizer(open_session) if config["denormalize"] else None,
    )


def _denormalizer(open_session: Callable[[str], Session]) -> Callable[[Array], Array]:
    session = open_session("denormalize")
    return lambda feats: session(feats=feats)[0]
