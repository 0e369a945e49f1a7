"""Runs frontend `default`. Shapes: B utterances, S samples, C channels, T frames, D mel bands."""

from __future__ import annotations

import attrs
import numpy as np

from espnet_onnx.errors import AudioError
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["Frontend"]


@attrs.frozen
class Frontend:
    """Waveform to log mel energies; see `roles.Frontend`.

    Attributes:
        sample_rate: of the waveform, in Hz.
        hop_length: samples from one frame to the next.
        n_mels: mel bands, the width D of the features.
        shortest: fewest samples it accepts.
        win_length: samples of a window; a stream is windowed by it. None in older bundles.
    """

    session: Session
    sample_rate: int
    hop_length: int
    n_mels: int
    shortest: int
    win_length: int | None = None

    def __call__(self, speech: Array, lengths: Array) -> tuple[Array, Array]:
        """(B, S) float32 and lengths in samples -> (B, T, D) and lengths in frames.

        Of (B, S, C) it takes the first channel, as ESPnet does in inference.

        Raises:
            AudioError: an utterance is shorter than `shortest`.
        """
        if lengths.min() < self.shortest:
            raise AudioError(
                f"too short: {lengths.min()} samples, the frontend needs {self.shortest} "
                f"at {self.sample_rate} Hz: give longer audio"
            )
        mono = speech[..., 0] if speech.ndim == 3 else speech
        feats, frames = self.session(
            speech=np.ascontiguousarray(mono, dtype=np.float32),
            speech_lengths=lengths.astype(np.int64),
        )
        return feats, frames
