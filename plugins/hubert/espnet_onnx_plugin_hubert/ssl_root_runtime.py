"""Runs a model of ESPnet's `ssl` task: waveforms to the outputs of its encoder's blocks.

Shapes: B utterances, S samples, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

import espnet_onnx as eo
from espnet_onnx.errors import AudioError, BundleError
from espnet_onnx.parts.extractor import Extractor
from espnet_onnx.roles import Encoded, Encoder, Frontend, Session, Transform
from espnet_onnx.types import Array

__all__ = ["SslModel", "build"]


@attrs.frozen
class SslModel:
    """`ESPnetSSLModel.inference_encode`, as a `roles.Frontend` of several layers.

    Attributes:
        states: numbers of the blocks whose outputs there are, from 1.
        subsampling: frames of the frontend in one of the encoder.
    """

    frontend: Frontend
    before: Sequence[Transform]
    encoder: Encoder
    states: Sequence[int]
    subsampling: int

    @property
    def sample_rate(self) -> int:
        """Of the waveform, in Hz."""
        return self.frontend.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples from one frame to the next."""
        return self.frontend.hop_length * self.subsampling

    @property
    def shortest(self) -> int:
        """Fewest samples; none of the encoder's frames may be missing."""
        return self.frontend.shortest + (self.encoder.shortest - 1) * self.frontend.hop_length

    @property
    def layers(self) -> int:
        """How many outputs `layer` chooses from."""
        return len(self.states)

    def __call__(
        self, speech: Array, lengths: Array, layer: int | None = None
    ) -> tuple[Array, Array]:
        """(B, S) float32 and lengths in samples -> (B, T, D) and lengths in frames.

        Args:
            layer: counts outputs of blocks from 0, as ESPnet does; None gives the last one's
                behind the encoder's final norm, if it has one.

        Raises:
            AudioError: an utterance is shorter than `shortest`.
        """
        encoded = self.encode(speech, lengths)
        out = encoded.out if layer is None else encoded.inter[self.states[layer]]
        return out, encoded.lengths

    def encode(self, speech: Array, lengths: Array) -> Encoded:
        """All of it: `inter` holds the blocks' outputs by their numbers.

        Raises:
            AudioError: an utterance is shorter than `shortest`.
            BundleError: the encoder's plugin knows nothing of hidden states.
        """
        if lengths.min() < self.shortest:
            raise AudioError(
                f"too short: {lengths.min()} samples, the model needs {self.shortest} "
                f"at {self.sample_rate} Hz: give longer audio"
            )
        feats, lengths = self.frontend(speech, lengths)
        for transform in self.before:
            feats, lengths = transform(feats, lengths)
        encoded = self.encoder(feats, lengths)
        missing = [number for number in self.states if number not in encoded.inter]
        if missing:
            raise BundleError(
                f"the encoder does not give the outputs of its blocks {missing}: its plugin must "
                'heed given["hidden_states"]'
            )
        return encoded


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any:
    """The model of a bundle's node; at the root, the `Extractor` that takes recordings."""
    model: Any = SslModel(
        children["frontend"],
        [children[name] for name in ("normalize", "preencoder") if name in children],
        children["encoder"],
        node.config["states"],
        node.config["subsampling"],
    )
    return model if node.path else Extractor(model)
