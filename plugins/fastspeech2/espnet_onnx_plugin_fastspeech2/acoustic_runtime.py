"""FastSpeech and FastSpeech2 at run time: a graph, the length regulator, a graph.

Shapes: B utterances, U tokens, T frames, R reference frames, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.errors import InputError
from espnet_onnx.roles import Noise, Session, Spoken
from espnet_onnx.types import Array

from .controls import OPTIONS, PROSODY, arrays
from .durations import ended, frames_of, given_frames, rounded, spread

__all__ = ["FastSpeech", "Planned", "Text", "build", "text_of"]


@attrs.frozen
class Planned:
    """What is to be said.

    Attributes:
        states: (B, U, D), one for each token.
        frames: (B, U) frames of each token as they are spoken.
        lengths: (B,) tokens.
        details: `duration`, `pitch` and `energy`, as ESPnet returns them; `duration` as it was
            given, where it was.
    """

    states: Array
    frames: Array
    lengths: Array
    details: Mapping[str, Array]


@attrs.frozen
class Text:
    """From tokens to states and durations.

    Attributes:
        needs: control -> its size.
        options: further controls -> default.
        factor: features a frame.
    """

    session: Session
    style: Session | None
    needs: Mapping[str, int | None]
    options: Mapping[str, float]
    factor: int = 1

    def __call__(self, tokens: Array, lengths: Array, controls: Mapping[str, Any]) -> Planned:
        """(B, U) and (B,) -> Planned.

        Args:
            tokens: <sos/eos> included, if the model hears it.
            lengths: valid ones.
            controls: also `durations`, (B, U) features of each token, which `alpha` leaves alone.

        Raises:
            InputError: a control is missing or of no use.
        """
        alpha = float(controls.get("alpha", self.options["alpha"]))
        if alpha <= 0:
            raise InputError(f"alpha is {alpha:g}: give a number above 0, as 1.2 to speak slower")
        feed = self._conditions(controls, len(tokens))
        states, durations, *values = self.session(tokens=tokens, lengths=lengths, **feed)
        given = controls.get("durations")
        lasting = rounded(durations) if given is None else given_frames(given, self.factor)
        frames = frames_of(lasting, lengths, alpha if given is None else 1.0)
        prosody = dict(zip(("pitch", "energy"), values, strict=False))
        return Planned(states, frames, lengths, {"duration": lasting, **prosody})

    def _conditions(self, controls: Mapping[str, Any], batch: int) -> dict[str, Array]:
        feed = arrays(self.needs, controls, batch)
        if self.style is not None:
            speech = feed.pop("speech")
            frames = np.full(batch, speech.shape[1], np.int64)
            (feed["style"],) = self.style(speech=speech, lengths=frames)
        for name in set(PROSODY) & set(self.options):
            feed[name] = np.full(batch, controls.get(name, PROSODY[name]), np.float32)
        return feed


@attrs.frozen
class FastSpeech:
    """See `roles.Acoustic`."""

    text: Text
    frames: Session
    eos: int
    vocoder: None = None

    @property
    def needs(self) -> Sequence[str]:
        """Controls that it cannot speak without."""
        return tuple(self.text.needs)

    @property
    def options(self) -> Mapping[str, float]:
        """Further controls and their defaults."""
        return self.text.options

    def __call__(
        self, tokens: Array, lengths: Array, controls: Mapping[str, Any], noise: Noise
    ) -> Spoken:
        """(B, U) tokens and (B,) -> Spoken, its durations those of the tokens and <sos/eos>.

        Raises:
            InputError: a control is missing or of no use.
        """
        plan = self.text(*ended(tokens, lengths, self.eos), controls)
        index, frame_lengths = spread(plan.frames)
        feats, feats_lengths = self.frames(
            states=plan.states, index=index, frame_lengths=frame_lengths
        )
        return Spoken(feats, feats_lengths, plan.frames * self.text.factor, details=plan.details)


def text_of(config: Mapping[str, Any], open_session: Callable[[str], Session]) -> Text:
    """The first half of a model of this part's config."""
    needs = config["needs"]
    style = open_session("style") if "speech" in needs else None
    options = {**OPTIONS, **(PROSODY if config["prosody"] else {})}
    return Text(open_session("text"), style, needs, options, config.get("factor", 1))


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> FastSpeech:
    """The acoustic model of a bundle's node."""
    text = text_of(node.config, open_session)
    return FastSpeech(text, open_session("frames"), node.config["eos"])
