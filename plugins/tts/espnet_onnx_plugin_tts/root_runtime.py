"""Puts a model that speaks together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.errors import AudioError, BundleError
from espnet_onnx.parts.audio import read_audio
from espnet_onnx.parts.speech_settings import Settings
from espnet_onnx.parts.synthesizer import Synthesizer
from espnet_onnx.parts.text import TextToTokens
from espnet_onnx.parts.voices import Voices
from espnet_onnx.roles import Acoustic, Session
from espnet_onnx.types import Array

__all__ = ["Reference", "build"]


@attrs.frozen
class Reference:
    """What a model hears of a recording to speak like, or to follow: (T, D).

    Attributes:
        session: the graph.
        sample_rate: of recordings, in Hz.
        shortest: fewest samples.
        hop_length: samples a frame.
    """

    session: Session
    sample_rate: int
    shortest: int
    hop_length: int

    def __call__(self, recording: Any) -> Array:
        """A path, a file object or an array (S,) at the model's rate -> (T, D) float32.

        Raises:
            AudioError: it cannot be read, or is too short.
        """
        samples = read_audio(recording, self.sample_rate).samples
        if len(samples) < self.shortest:
            raise AudioError(
                f"the recording in speech is too short ({len(samples)} samples, the model needs"
                f" {self.shortest}): give longer audio"
            )
        lengths = np.array([len(samples)], np.int64)
        feats, frames = self.session(speech=samples[None], speech_lengths=lengths)
        heard: Array = feats[0, : int(frames[0])]
        return heard


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
    tokens = config["text"].get("token_list")
    return Synthesizer(
        acoustic,
        vocoder,
        TextToTokens.of(config["text"], node.files),
        Voices(tuple(acoustic.needs), **config["voices"]),
        int(rate),
        Settings(_options(acoustic, config)).but(**config["decoding"]),
        _denormalizer(open_session) if config["denormalize"] else None,
        Reference(open_session("reference"), **config["reference"])
        if config["reference"]
        else None,
        vocabulary=None if tokens is None else len(tokens),
        steered=config.get("steered"),
    )


def _options(acoustic: Acoustic, config: Mapping[str, Any]) -> dict[str, float]:
    """The acoustic model's, without what needs a recording where none can be heard."""
    options = dict(acoustic.options)
    if not config["reference"]:
        options.pop("use_teacher_forcing", None)
    return options


def _denormalizer(open_session: Callable[[str], Session]) -> Callable[[Array], Array]:
    session = open_session("denormalize")
    return lambda feats: session(feats=feats)[0]
