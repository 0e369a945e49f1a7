"""joint_text2wav at run time: an acoustic model that brings its vocoder along.

Shapes: B utterances, U tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

import espnet_onnx as eo
from espnet_onnx.roles import Acoustic, Noise, Session, Spoken, Vocoder
from espnet_onnx.types import Array

__all__ = ["JointText2Wav", "build"]


@attrs.frozen
class JointText2Wav:
    """See `roles.Acoustic`; mirrors `JointText2Wav.inference`."""

    text2mel: Acoustic
    vocoder: Vocoder

    @property
    def needs(self) -> Sequence[str]:
        """Controls that it cannot speak without."""
        return self.text2mel.needs

    @property
    def options(self) -> Mapping[str, float]:
        """Further controls and their defaults."""
        return self.text2mel.options

    def __call__(
        self, tokens: Array, lengths: Array, controls: Mapping[str, Any], noise: Noise
    ) -> Spoken:
        """(B, U) tokens and (B,) -> Spoken, for its own vocoder.

        Raises:
            InputError: a control is missing or of no use.
        """
        return self.text2mel(tokens, lengths, controls, noise)


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> JointText2Wav:
    """The acoustic model of a bundle's node; it has no graph of its own."""
    return JointText2Wav(children["text2mel"], children["vocoder"])
