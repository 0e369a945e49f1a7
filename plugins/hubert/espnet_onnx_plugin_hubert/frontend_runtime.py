"""Runs a self-supervised frontend. Shapes: B utterances, S samples, T frames, D width, L states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.errors import AudioError, InputError
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["StateFeatures", "build"]


@attrs.frozen
class StateFeatures:
    """Waveform to the model's own sum of its states, or any one of them; see `roles.Frontend`.

    Attributes:
        weights: (L,), what each state counts in the model's features.
        sample_rate: of the waveform, in Hz.
        hop_length: samples from one frame to the next.
        shortest: fewest samples it accepts.
        width: D.
    """

    session: Session
    weights: Array
    sample_rate: int
    hop_length: int
    shortest: int
    width: int

    @property
    def layers(self) -> int:
        """How many states there are, L: the input of each block, and the last one's output."""
        return len(self.weights)

    def __call__(
        self, speech: Array, lengths: Array, layer: int | None = None
    ) -> tuple[Array, Array]:
        """(B, S) float32 and lengths in samples -> (B, T, D) and lengths in frames.

        Of (B, S, C) it takes the first channel, as ESPnet does in inference.

        Args:
            layer: number of a state, 0 the lowest; None gives the model's own features.

        Raises:
            AudioError: an utterance is empty.
            InputError: there is no such layer.
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
            layer_weights=self.weights if layer is None else self._only(layer),
        )
        return feats, frames

    def _only(self, layer: int) -> Array:
        if not 0 <= layer < self.layers:
            raise InputError(f"layer {layer}: the model has layers 0 to {self.layers - 1}")
        weights = np.zeros_like(self.weights)
        weights[layer] = 1
        return weights


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> StateFeatures:
    """The frontend of a bundle's node."""
    config = node.config
    return StateFeatures(
        open_session("frontend"),
        np.array(config["layer_weights"], np.float32),
        config["sample_rate"],
        config["hop_length"],
        config["shortest"],
        config["width"],
    )
