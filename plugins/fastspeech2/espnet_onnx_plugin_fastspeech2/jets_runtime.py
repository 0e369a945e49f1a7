"""JETS at run time: a graph, durations, a graph, and its own vocoder.

Shapes: B utterances, U tokens, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.roles import Noise, Session, Spoken, Vocoder
from espnet_onnx.types import Array

from .acoustic_runtime import Text, text_of

__all__ = ["Jets", "build"]


@attrs.frozen
class Jets:
    """See `roles.Acoustic`. ESPnet puts no <sos/eos> behind its texts."""

    text: Text
    frames: Session
    vocoder: Vocoder

    @property
    def needs(self) -> Sequence[str]:
        """Controls that it cannot speak without."""
        return tuple(self.text.needs)

    @property
    def options(self) -> Mapping[str, float]:
        """Further controls and their defaults; `alpha`, too, is ours here."""
        return self.text.options

    def __call__(
        self, tokens: Array, lengths: Array, controls: Mapping[str, Any], noise: Noise
    ) -> Spoken:
        """(B, U) tokens and (B,) -> Spoken, for its own vocoder.

        Raises:
            InputError: a control is missing or of no use.
        """
        plan = self.text(tokens.astype(np.int64), lengths.astype(np.int64), controls)
        frame_lengths = plan.frames.sum(1)
        (feats,) = self.frames(
            states=plan.states,
            lengths=plan.lengths,
            durations=plan.frames,
            times=np.arange(frame_lengths.max(), dtype=np.float32),
            frame_lengths=frame_lengths,
        )
        return Spoken(feats, frame_lengths, plan.frames, details=plan.details)


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Jets:
    """The acoustic model of a bundle's node."""
    text = text_of(node.config, open_session)
    return Jets(text, open_session("frames"), children["vocoder"])
