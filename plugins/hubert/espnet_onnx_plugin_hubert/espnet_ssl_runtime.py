"""Runs frontend `espnet_ssl`: its upstream, then the sum of its layers or one of them.

Shapes: B utterances, S samples, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

import espnet_onnx as eo
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["EspnetSsl", "build"]


@attrs.frozen
class EspnetSsl:
    """See `roles.Frontend`.

    Attributes:
        upstream: the `ssl` model.
        sample_rate: of the waveform, in Hz: what the whole model was trained with.
        states: numbers of its blocks that are read.
        featurizer: the graph that sums them; None where there is only one.
    """

    upstream: Any
    sample_rate: int
    states: Sequence[int]
    featurizer: Session | None

    @property
    def hop_length(self) -> int:
        """Samples from one frame to the next."""
        hop: int = self.upstream.hop_length
        return hop

    @property
    def shortest(self) -> int:
        """Fewest samples that it accepts."""
        shortest: int = self.upstream.shortest
        return shortest

    @property
    def layers(self) -> int:
        """How many outputs `layer` chooses from."""
        return len(self.states)

    def __call__(
        self, speech: Array, lengths: Array, layer: int | None = None
    ) -> tuple[Array, Array]:
        """(B, S) float32 and lengths in samples -> (B, T, D) and lengths in frames.

        Args:
            layer: the output of one of the upstream's blocks instead, counted from 0.

        Raises:
            AudioError: an utterance is shorter than `shortest`.
        """
        encoded = self.upstream.encode(speech, lengths)
        outputs = [encoded.inter[number] for number in self.states]
        if layer is not None or self.featurizer is None:
            return outputs[layer or 0], encoded.lengths
        named = {f"state_{n}": x for n, x in zip(self.states, outputs, strict=True)}
        return self.featurizer(**named)[0], encoded.lengths


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> EspnetSsl:
    """The frontend of a bundle's node."""
    config = node.config
    featurizer = open_session("featurizer") if config["multilayer"] else None
    return EspnetSsl(children["upstream"], config["sample_rate"], config["states"], featurizer)
