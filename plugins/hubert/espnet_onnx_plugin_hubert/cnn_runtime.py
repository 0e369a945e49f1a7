"""Runs frontend `wav2vec_cnn`. Shapes: B utterances, S samples, T frames, D width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.errors import AudioError
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["ConvFrontend", "build"]


@attrs.frozen
class ConvFrontend:
    """See `roles.Frontend`.

    Attributes:
        sample_rate: of the waveform, in Hz.
        hop_length: samples from one frame to the next.
        shortest: samples that the first frame is computed from.
    """

    session: Session
    sample_rate: int
    hop_length: int
    shortest: int

    def __call__(self, speech: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, S) float32 and lengths in samples -> (B, T, D) and lengths in frames.

        Raises:
            AudioError: an utterance is shorter than `shortest`.
        """
        if lengths.min() < self.shortest:
            raise AudioError(
                f"too short: {lengths.min()} samples, the frontend needs {self.shortest} "
                f"at {self.sample_rate} Hz: give longer audio"
            )
        feats, frames = self.session(
            speech=np.ascontiguousarray(speech, dtype=np.float32),
            speech_lengths=lengths.astype(np.int64),
        )
        return feats, frames


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> ConvFrontend:
    """The frontend of a bundle's node."""
    return ConvFrontend(open_session("frontend"), **node.config)
