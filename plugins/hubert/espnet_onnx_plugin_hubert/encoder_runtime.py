"""Runs an encoder that hears the waveform. Shapes: B utterances, S samples, T frames, D width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.errors import AudioError
from espnet_onnx.roles import Encoded, Session
from espnet_onnx.types import Array

__all__ = ["WaveEncoder", "Waves", "build"]


@attrs.frozen
class Waves:
    """The `roles.Frontend` of a model that has none: passes waveforms on.

    Attributes:
        sample_rate: of the waveform, in Hz.
        shortest: fewest samples.
        hop_length: its frames are samples.
    """

    sample_rate: int
    shortest: int
    hop_length: int = 1

    def __call__(self, speech: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, S) and lengths in samples -> the same."""
        return speech, lengths


@attrs.frozen
class WaveEncoder:
    """See `roles.Encoder`; its input frames are samples.

    Attributes:
        waves: tells a recogniser without a frontend what to read.
    """

    session: Session
    waves: Waves

    @property
    def shortest(self) -> int:
        """Fewest samples."""
        return self.waves.shortest

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        """(B, S) float32 and lengths in samples -> Encoded.

        Raises:
            AudioError: an utterance is shorter than `shortest`.
        """
        if lengths.min() < self.shortest:
            raise AudioError(
                f"too short: {int(lengths.min())} samples, the encoder needs {self.shortest} "
                f"at {self.waves.sample_rate} Hz: give longer audio"
            )
        out, frames = self.session(
            speech=np.ascontiguousarray(feats, dtype=np.float32),
            speech_lengths=lengths.astype(np.int64),
        )
        return Encoded(out, frames)


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> WaveEncoder:
    """The encoder of a bundle's node."""
    waves = Waves(node.config["sample_rate"], node.config["shortest"])
    return WaveEncoder(open_session("encoder"), waves)
